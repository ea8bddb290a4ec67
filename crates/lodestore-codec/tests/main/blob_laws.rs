//! Laws of the blob format: what was packed comes back, and no bytes make the reader stumble.

use lodestore_codec::blob::{self, CountWidth, UnpackOptions};
use lodestore_types::{
    BigInt, Complex, DType, Date, Kind, NdArray, ObjectArray, ObjectArrayKind, Order, RecordArray, StructArray, Time,
    Value,
};
use proptest::prelude::*;

use crate::describe::row_major;

fn dtype() -> impl Strategy<Value = DType> {
    let numbers = vec![
        (Kind::Int, 1),
        (Kind::UInt, 2),
        (Kind::Int, 4),
        (Kind::UInt, 8),
        (Kind::Float, 4),
        (Kind::Float, 8),
        (Kind::Complex, 8),
        (Kind::Complex, 16),
    ];
    prop_oneof![
        prop::sample::select(numbers).prop_map(|(kind, size)| DType::native(kind, size)),
        Just(DType::datetime64("us")),
        Just(DType::parse(">i4").unwrap()),
        Just(DType::parse(">c16").unwrap()),
    ]
}

fn shape() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0usize..5, 0..4)
}

fn array_of(shape: Vec<usize>) -> impl Strategy<Value = NdArray> {
    let count: usize = shape.iter().product();
    (dtype(), prop::bool::ANY).prop_flat_map(move |(dtype, fortran)| {
        let (shape, order) = (shape.clone(), if fortran { Order::Fortran } else { Order::C });
        prop::collection::vec(any::<u8>(), count * dtype.itemsize())
            .prop_map(move |data| NdArray::new(dtype.clone(), shape.clone(), order, data).unwrap())
    })
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<i8>().prop_map(|value| Value::Int(value.into())),
        any::<i128>().prop_map(|value| Value::integer(BigInt::from_le_bytes(&value.to_le_bytes()))),
        (-1e9..1e9f64).prop_map(Value::Float),
        (-1e9..1e9f64, -1e9..1e9f64).prop_map(|(re, im)| Value::Complex(Complex { re, im })),
        "-?[0-9]{1,9}(\\.[0-9]{0,9})?(E[+-][0-9]{1,3})?".prop_map(|text| Value::Decimal(text.parse().unwrap())),
        any::<String>().prop_map(Value::Text),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::from),
        any::<[u8; 16]>().prop_map(|bytes| Value::Uuid(lodestore_types::Uuid::from_bytes(bytes))),
        date().prop_map(Value::Date),
        time().prop_map(Value::Time),
        (date(), time()).prop_map(|(date, time)| Value::DateTime(date.to_datetime(time))),
        shape().prop_flat_map(array_of).prop_map(Value::Array),
    ]
}

fn date() -> impl Strategy<Value = Date> {
    (1i16..=9999, 1i8..=12, 1i8..=28).prop_map(|(year, month, day)| Date::new(year, month, day).unwrap())
}

fn time() -> impl Strategy<Value = Time> {
    (0i8..24, 0i8..60, 0i8..60, 0..1_000_000).prop_map(|(h, m, s, us)| Time::new(h, m, s, us * 1000).unwrap())
}

fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 40, 5, |inner| {
        let items = prop::collection::vec(inner.clone(), 0..5);
        let kind = prop::sample::select(&[ObjectArrayKind::Object, ObjectArrayKind::Cell][..]);
        let objects = (kind, shape(), inner.clone()).prop_map(|(kind, shape, item)| {
            let items = vec![item; shape.iter().product()];
            Value::Objects(ObjectArray { kind, shape, items })
        });
        let structs = (shape(), prop::collection::vec(inner.clone(), 1..3)).prop_map(|(shape, item)| {
            let fields = (0..item.len()).map(|i| format!("f{i}")).collect();
            let items = vec![item; shape.iter().product()];
            Value::Struct(StructArray { shape, fields, items })
        });
        let records = (shape(), shape()).prop_flat_map(|(shape, more)| {
            let longer: Vec<usize> = shape.iter().chain(&more).copied().collect();
            (array_of(shape.clone()), array_of(longer)).prop_map(move |(a, b)| {
                let fields = vec![("a".into(), a.into()), ("é".into(), b.into())];
                Value::Records(RecordArray { shape: shape.clone(), fields })
            })
        });
        prop_oneof![
            items.clone().prop_map(Value::List),
            items.clone().prop_map(Value::Tuple),
            prop::collection::btree_set(any::<i32>(), 0..5)
                .prop_map(|items| Value::Set(items.into_iter().map(Value::from).collect())),
            prop::collection::btree_map(any::<String>(), inner, 0..5)
                .prop_map(|pairs| Value::Dict(pairs.into_iter().map(|(k, v)| (Value::Text(k), v)).collect())),
            objects,
            structs,
            records,
        ]
    })
}

/// Arrays little-endian and row-major, and compared by their bytes: noise may be NaN.
fn normal(value: Value) -> Value {
    let all = |items: Vec<Value>| items.into_iter().map(normal).collect::<Vec<_>>();
    match value {
        Value::Array(array) => {
            let scalar = array.dtype().as_scalar().unwrap();
            let mut data = row_major(&array);
            let part = if scalar.kind == Kind::Complex { scalar.size / 2 } else { scalar.size };
            if scalar.byte_order == lodestore_types::ByteOrder::Big {
                data.chunks_mut(part).for_each(<[u8]>::reverse);
            }
            let dtype = match &scalar.unit {
                Some(unit) => DType::datetime64(&unit.name),
                None => DType::native(scalar.kind, scalar.size),
            };
            NdArray::new(dtype, array.shape().to_vec(), Order::C, data).unwrap().into()
        }
        Value::List(items) => Value::List(all(items)),
        Value::Tuple(items) => Value::Tuple(all(items)),
        Value::Set(items) => Value::Set(all(items)),
        Value::Dict(pairs) => Value::Dict(pairs.into_iter().map(|(k, v)| (normal(k), normal(v))).collect()),
        Value::Objects(array) => Value::Objects(ObjectArray { items: all(array.items), ..array }),
        Value::Struct(array) => {
            Value::Struct(StructArray { items: array.items.into_iter().map(all).collect(), ..array })
        }
        Value::Records(array) => Value::Records(RecordArray {
            fields: array.fields.into_iter().map(|(name, field)| (name, normal(field))).collect(),
            ..array
        }),
        other => other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_was_packed_comes_back(value in value()) {
        let packed = blob::pack(&value).unwrap();
        let unpacked = blob::unpack(packed.clone()).unwrap();
        prop_assert_eq!(blob::pack(&unpacked).unwrap(), packed);
        prop_assert_eq!(normal(unpacked), normal(value));
    }

    #[test]
    fn damaged_blobs_never_make_the_reader_stumble(
        value in value(), at in any::<prop::sample::Index>(), damage in prop::collection::vec(any::<u8>(), 1..9), cut in any::<prop::sample::Index>()
    ) {
        let mut bytes = blob::pack(&value).unwrap().to_vec();
        let at = at.index(bytes.len());
        for (byte, damage) in bytes[at..].iter_mut().zip(&damage) {
            *byte = *damage;
        }
        let _ = blob::unpack(bytes.clone());
        bytes.truncate(cut.index(bytes.len()));
        let _ = blob::unpack(bytes);
    }

    #[test]
    fn arbitrary_bytes_never_make_the_reader_stumble(
        head in prop::sample::select(vec![&b"mYm\0"[..], b"dj0\0", b"dj0\0A", b"dj0\0F", b"mYm\0S", b"ZL123\0", b""]),
        tail in prop::collection::vec(prop_oneof![0u8..8, any::<u8>()], 0..120),
        narrow in any::<bool>()
    ) {
        let counts = if narrow { CountWidth::Bits32 } else { CountWidth::Bits64 };
        let _ = blob::unpack_opts([head, &tail].concat(), UnpackOptions { counts });
    }
}
