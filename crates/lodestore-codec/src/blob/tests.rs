use lodestore_types::{DType, Field, Kind, NdArray, ObjectArray, ObjectArrayKind, Order, RecordArray};

use super::*;

fn plain(value: &Value) -> Vec<u8> {
    let options = PackOptions { compression: Compression::None, name: "" };
    pack_opts(value, options).unwrap().to_vec()
}

fn zeros(dtype: &str, shape: &[usize]) -> NdArray {
    let dtype = DType::parse(dtype).unwrap();
    let size = dtype.itemsize() * shape.iter().product::<usize>();
    NdArray::new(dtype, shape.to_vec(), Order::C, vec![0; size]).unwrap()
}

fn refusal(value: impl Into<Value>) -> String {
    let value = value.into();
    let error = pack_opts(&value, PackOptions { name: "results", ..Default::default() }).unwrap_err();
    assert!(BlobCodec.validate(&value).is_err(), "{error}");
    error.message().to_owned()
}

#[test]
fn what_would_not_come_back_is_refused_with_its_path() {
    let nested = Value::Dict(vec![(
        "x".into(),
        Value::List(vec![Value::Null, Value::Null, Value::Null, zeros("<f2", &[2]).into()]),
    )]);
    assert_eq!(refusal(nested), "results['x'][3]: an array of `float16` cannot be packed into a blob");
    for dtype in ["<f16", "<c32", "<m8[s]", "<M8", "<M8[25s]", "|S5", "|V4", "|S0"] {
        assert!(refusal(zeros(dtype, &[1])).contains(dtype), "{dtype}");
    }
    assert!(refusal(zeros("|S1", &[1])).starts_with("results: the byte 0x00"));
    let objects = ObjectArray {
        kind: ObjectArrayKind::Object,
        shape: vec![1, 2],
        items: vec![Value::Null, Value::List(vec![zeros("|V1", &[]).into()])],
    };
    assert!(refusal(Value::Objects(objects)).starts_with("results[0, 1][0]: "));
    assert!(refusal(Value::Set(vec![Value::List(vec![])])).ends_with("a set cannot hold a list"));
    let fine = jiff::civil::Time::constant(1, 2, 3, 4);
    assert_eq!(refusal(fine), "results: the time 01:02:03.000000004 is finer than a microsecond");
    assert!(refusal(jiff::civil::Date::constant(0, 1, 1)).contains("year 0"));
    let huge = vec![0x40; 65_536];
    assert!(refusal(Value::integer(lodestore_types::BigInt::from_le_bytes(&huge))).contains("65535 bytes"));
}

#[test]
fn repeated_keys_are_refused() {
    let twice = Value::Dict(vec![("a".into(), Value::Null), ("a".into(), Value::Bool(true))]);
    assert_eq!(pack(&twice).unwrap_err().message(), "value: the dict holds the key \"a\" twice");
    assert!(pack(&Value::Set(vec![Value::Int(1), Value::Int(1)])).is_err());
}

#[test]
fn nesting_is_bounded_both_ways() {
    let nested = |depth: usize| (0..depth).fold(Value::Null, |inner, _| Value::List(vec![inner]));
    let deepest = pack(&nested(255)).unwrap();
    assert_eq!(unpack(deepest).unwrap(), nested(255));
    assert!(pack(&nested(256)).unwrap_err().message().ends_with("values are nested deeper than 256 levels"));
    let mut bytes = vec![codes::NULL];
    for _ in 0..2000 {
        let length = (bytes.len() as u64).to_le_bytes();
        bytes = [&[codes::LIST][..], &1u64.to_le_bytes(), &length, &bytes].concat();
    }
    let error = unpack([&codes::DJ0[..], &bytes].concat()).unwrap_err();
    assert_eq!(error.message(), "values are nested deeper than 256 levels");
}

#[test]
fn records_are_split_and_ambiguous_ones_refused() {
    let field = |name: &str, dtype: &str, shape: &[usize]| Field {
        name: name.into(),
        title: None,
        dtype: DType::parse(dtype).unwrap(),
        shape: shape.to_vec(),
    };
    let fields = vec![field("a", "|u1", &[]), field("", "|V1", &[]), field("x", ">u2", &[2])];
    let data: Vec<u8> = (0..24).collect();
    let records = |order| NdArray::new(DType::Record(fields.clone()), vec![2, 2], order, data.clone()).unwrap();
    let column = |dtype, shape: &[usize], bytes: &[u8]| {
        Value::Array(NdArray::new(dtype, shape.to_vec(), Order::Fortran, bytes.to_vec()).unwrap())
    };
    let expected = RecordArray {
        shape: vec![2, 2],
        fields: vec![
            ("a".into(), column(DType::native(Kind::UInt, 1), &[2, 2], &[0, 12, 6, 18])),
            (
                "x".into(),
                column(
                    DType::native(Kind::UInt, 2),
                    &[2, 2, 2],
                    &[3, 2, 15, 14, 9, 8, 21, 20, 5, 4, 17, 16, 11, 10, 23, 22],
                ),
            ),
        ],
    };
    let packed = pack(&records(Order::C).into()).unwrap();
    assert_eq!(unpack(packed).unwrap(), Value::Records(expected));
    let turned = unpack(pack(&records(Order::Fortran).into()).unwrap()).unwrap();
    let Value::Records(turned) = turned else { panic!() };
    assert_eq!(turned.fields[0].1, column(DType::native(Kind::UInt, 1), &[2, 2], &[0, 6, 12, 18]));

    let only = vec![field("x", "<f8", &[3])];
    let ambiguous = NdArray::new(DType::Record(only), vec![2], Order::C, vec![0; 48]).unwrap();
    assert!(refusal(ambiguous).contains("every field is a sub-array"));
    let chars = vec![field("c", "|S1", &[])];
    let chars = NdArray::new(DType::Record(chars), vec![1], Order::C, vec![65]).unwrap();
    assert!(refusal(chars).starts_with("results['c']: "));
}

#[test]
fn characters_of_two_dimensions_come_back_in_place() {
    let letters = NdArray::new(DType::parse("|S1").unwrap(), vec![2, 3], Order::C, &b"abcdef"[..]).unwrap();
    let Value::Array(text) = unpack(plain(&letters.into())).unwrap() else { panic!() };
    assert_eq!((text.shape(), text.order()), (&[2, 3][..], Order::Fortran));
    let codes: Vec<u8> = text.data().chunks(4).map(|code| code[0]).collect();
    assert_eq!(codes, b"adbecf");
}

#[test]
fn lone_surrogates_survive_and_pairs_are_joined() {
    let blob = |units: &[u16]| {
        let head = [&b"mYm\0A"[..], &2u64.to_le_bytes(), &1u64.to_le_bytes(), &(units.len() as u64).to_le_bytes()];
        let data: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        [&head.concat()[..], &4u32.to_le_bytes(), &0u32.to_le_bytes(), &data].concat()
    };
    let read = |units: &[u16]| {
        let Value::Array(text) = unpack(blob(units)).unwrap() else { panic!() };
        text.data().chunks(4).map(|code| u32::from_le_bytes(code.try_into().unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(read(&[0xd83d, 0xde00, 0x61]), [0x1f600, 0x61]);
    assert_eq!(read(&[0xd83d, 0x61]), [0xd83d, 0x61]);
}

#[test]
fn json_is_packed_as_what_it_stands_for() {
    let json = serde_json::json!({"a": [1, 2.5, null, true, "x"], "b": {"c": u64::MAX}});
    let inner = Value::Dict(vec![("c".into(), Value::BigInt(u64::MAX.into()))]);
    let list = vec![Value::Int(1), Value::Float(2.5), Value::Null, Value::Bool(true), "x".into()];
    let expected = Value::Dict(vec![("a".into(), Value::List(list)), ("b".into(), inner)]);
    assert_eq!(unpack(pack(&Value::Json(json)).unwrap()).unwrap(), expected);
}

#[test]
fn a_hostile_length_is_compared_before_anything_is_allocated() {
    let compressed = [codes::COMPRESSED, &(1u64 << 40).to_le_bytes(), &[0x78, 0x9c, 1, 2, 3]].concat();
    assert!(unpack(compressed).unwrap_err().message().contains("can become at most"));
    for code in [codes::LIST, codes::DICT, codes::SET, codes::TEXT, codes::BYTES, codes::DECIMAL] {
        let bytes = [&codes::DJ0[..], &[code], &(u64::MAX / 2).to_le_bytes(), &[0; 50]].concat();
        assert!(unpack(bytes).unwrap_err().message().starts_with("the blob is cut short"), "{code}");
    }
    for (code, id) in [(codes::ARRAY, 6u32), (codes::ARRAY, 5), (codes::ARRAY, 4), (codes::CELL, 0), (codes::STRUCT, 1)]
    {
        let shape = [2u64, 1 << 31, 1 << 30].map(u64::to_le_bytes).concat();
        let bytes = [&codes::DJ0[..], &[code], &shape, &id.to_le_bytes(), &[0; 50]].concat();
        assert_eq!(unpack(bytes).unwrap_err().kind(), ErrorKind::Corrupt, "{code} {id}");
    }
}

#[test]
fn noise_stays_plain_and_repetition_is_compressed() {
    let repeated = pack(&Value::from(vec![7u8; 988])).unwrap();
    assert!(repeated.starts_with(codes::COMPRESSED) && repeated.len() < 60);
    assert!(pack(&Value::from(vec![7u8; 987])).unwrap().starts_with(codes::DJ0));
    assert_eq!(unpack(repeated).unwrap(), Value::from(vec![7u8; 988]));
}

#[test]
fn what_is_no_blob_is_an_error() {
    for bytes in [&b""[..], b"hello", b"dj1\0\xff", b"dj0", b"ZL123\0"] {
        assert_eq!(unpack(bytes).unwrap_err().kind(), ErrorKind::Corrupt);
    }
    assert_eq!(unpack(&b"mYm\0P\x01"[..]).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn large_arrays_are_packed_wherever_they_stand() {
    let data: Vec<u8> = (0..3_000_000u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
    let array = |dtype: &str, order| {
        let dtype = crate::npy::parse_dtype(dtype).unwrap();
        let shape = vec![2, data.len() / dtype.itemsize() / 2];
        NdArray::new(dtype.clone(), shape.clone(), order, data[..shape[1] * 2 * dtype.itemsize()].to_vec()).unwrap()
    };
    let normal = |value: Value| match value {
        Value::Array(array) => {
            let mut out = Vec::new();
            match array.order() {
                Order::C => {
                    crate::layout::reverse_axes(array.data(), array.shape(), array.dtype().itemsize(), &mut out)
                }
                Order::Fortran => out.extend_from_slice(array.data()),
            }
            out
        }
        other => panic!("{other}"),
    };
    for order in [Order::C, Order::Fortran] {
        for dtype in ["<f8", "|u1", "<c16"] {
            let value = Value::Array(array(dtype, order));
            assert!(normal(unpack(pack(&value).unwrap()).unwrap()) == normal(value.clone()), "{dtype}");
            assert!(normal(unpack(plain(&value)).unwrap()) == normal(value.clone()), "{dtype}");
            let Value::List(items) = unpack(pack(&Value::List(vec![value.clone(), value.clone()])).unwrap()).unwrap()
            else {
                panic!()
            };
            assert!(items.into_iter().map(normal).all(|found| found == normal(value.clone())), "{dtype}");
        }
    }
    let dtype = crate::npy::parse_dtype("[('a', '<f8'), ('b', '<i4')]").unwrap();
    let records = NdArray::new(dtype, vec![data.len() / 12], Order::C, data.clone()).unwrap();
    let Value::Records(found) = unpack(pack(&records.into()).unwrap()).unwrap() else { panic!() };
    for ((_, field), (start, size)) in found.fields.into_iter().zip([(0, 8), (8, 4)]) {
        let expected: Vec<u8> = data.chunks(12).flat_map(|record| &record[start..start + size]).copied().collect();
        assert!(normal(field) == expected);
    }
}
