use lodestore_types::{DType, StorePath};
use proptest::prelude::*;

use super::*;
use crate::codec::Placed;

fn array(dtype: &str, shape: &[usize], order: Order) -> NdArray {
    let dtype = parse_dtype(dtype).unwrap();
    let size = dtype.itemsize() * shape.iter().product::<usize>();
    let data: Vec<u8> = (0..size).map(|i| (i * 7 % 251) as u8).collect();
    NdArray::new(dtype, shape.to_vec(), order, data).unwrap()
}

fn file_of(array: &NdArray) -> Bytes {
    [&Header::of(array).1[..], array.data()].concat().into()
}

#[test]
fn headers_are_those_of_numpy() {
    let text = |array: &NdArray| {
        let head = Header::of(array).1;
        assert_eq!(head.len() % 64, 0);
        assert_eq!(head.last(), Some(&b'\n'));
        String::from_utf8(head[10..].to_vec()).unwrap().trim_end().to_owned()
    };
    assert_eq!(text(&array("float64", &[3], Order::C)), "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }");
    assert_eq!(
        text(&array(">i2", &[2, 3], Order::Fortran)),
        "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }"
    );
    assert_eq!(text(&array("bool", &[], Order::C)), "{'descr': '|b1', 'fortran_order': False, 'shape': (), }");
    assert_eq!(
        text(&array("[('a', '<i4'), ('b', '<f8', (2,))]", &[1, 3], Order::Fortran)),
        "{'descr': [('a', '<i4'), ('b', '<f8', (2,))], 'fortran_order': False, 'shape': (1, 3), }"
    );
}

#[test]
fn long_and_foreign_headers_use_later_versions() {
    let many: Vec<String> = (0..5000).map(|i| format!("('field_number_{i}', '|u1')")).collect();
    let wide = array(&format!("[{}]", many.join(", ")), &[1], Order::C);
    assert_eq!(file_of(&wide)[6], 2);
    assert_eq!(read(file_of(&wide)).unwrap(), wide);
    let greek = array("[('α', '<i4')]", &[1], Order::C);
    assert_eq!(file_of(&greek)[6], 3);
    assert_eq!(read(file_of(&greek)).unwrap(), greek);
    let latin = array("[('é', '<i4')]", &[1], Order::C);
    assert_eq!(file_of(&latin)[6], 1);
    assert_eq!(read(file_of(&latin)).unwrap(), latin);
}

#[test]
fn files_are_read_back_sharing_their_bytes() {
    for dtype in ["float64", ">c16", "<U3", "|S4", "datetime64[us]", "float16", "timedelta64", "|V3"] {
        for (shape, order) in
            [(&[2usize, 3][..], Order::C), (&[2, 3], Order::Fortran), (&[], Order::C), (&[0, 4], Order::C)]
        {
            let array = array(dtype, shape, order);
            let file = file_of(&array);
            let found = read(file.clone()).unwrap();
            assert_eq!(found, array);
            assert!(array.is_empty() || file.as_ptr_range().contains(&found.data().as_ptr()));
        }
    }
    assert!(read(file_of(&array("float64", &[3], Order::C)).slice(..150)).is_err());
}

#[test]
fn damaged_headers_are_errors() {
    let header = |text: &str| {
        let length = (text.len() as u16).to_le_bytes();
        Header::parse(&[&b"\x93NUMPY\x01\x00"[..], &length, text.as_bytes()].concat())
    };
    assert!(header("{'descr': '<f8', 'fortran_order': False, 'shape': (3,)}").is_ok());
    for text in [
        "",
        "{}",
        "[]",
        "{'descr': '|O', 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '<f8', 'fortran_order': 0, 'shape': (3,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': 3}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-3,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 4)}",
    ] {
        assert!(header(text).is_err(), "{text}");
    }
    for file in
        [&b""[..], b"\x93NUMPY", b"\x93NUMPY\x04\x00\x01\x00", b"\x93NUMPY\x02\x00\xff\xff\xff\xff", b"hello world"]
    {
        assert!(Header::parse(file).is_err());
    }
}

#[test]
fn the_column_tells_all_that_a_slice_needs() {
    let array = array("[('a', '<i4'), ('b', '<f8')]", &[2], Order::C);
    let Encoded::Object(object) = NpyCodec.encode(array.clone().into(), &Context::default()).unwrap() else { panic!() };
    let lodestore_types::Segment::Bytes(data) = &object.payload.0[1] else { panic!() };
    assert_eq!(data.as_ptr(), array.data().as_ptr());
    let placed = Placed {
        schema: "lab".into(),
        store: "main".into(),
        path: StorePath::new("_schema/lab/T/x.TOKENabc.npy").unwrap(),
        size: object.payload.size(),
        checksum: crate::hash::checksum(&object.payload).unwrap(),
        hash: None,
    };
    let column = NpyCodec.column(&object, &placed);
    let keys: Vec<&str> = column.keys().map(String::as_str).collect();
    assert_eq!(keys, ["path", "store", "dtype", "shape", "descr", "order", "header", "size", "checksum"]);
    assert_eq!(column["dtype"], "[('a', '<i4'), ('b', '<f8')]");
    let stored = Stored { value: Value::Json(column.into()), object: None };
    let Value::Reference(reference) = NpyCodec.decode(stored, &Context::default()).unwrap() else { panic!() };
    let known = header_of(&reference).unwrap();
    assert_eq!(known.header, Some(Header::of(&array).0));
    assert_eq!((reference.store.as_str(), reference.size()), ("main", Some(128 + 24)));
}

#[test]
fn rows_of_the_peer_are_read() {
    let context = Context { store: Some("cold".into()), ..Context::default() };
    for (store, expected) in [(json!(""), "cold"), (json!(null), "cold"), (json!("main"), "main")] {
        let column = json!({"path": "a/x.npy", "store": store, "dtype": "[('a', '<i4')]", "shape": [2]});
        let stored = Stored { value: Value::Json(column), object: None };
        let Value::Reference(reference) = NpyCodec.decode(stored, &context).unwrap() else { panic!() };
        assert_eq!(reference.store, expected);
        let known = header_of(&reference).unwrap();
        assert_eq!((known.dtype.itemsize(), known.shape, known.header), (4, vec![2], None));
    }
    for column in [json!([]), json!({}), json!({"path": "../x"}), json!({"path": "x", "store": 5})] {
        let stored = Stored { value: Value::Json(column), object: None };
        assert_eq!(NpyCodec.decode(stored, &context).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}

#[test]
fn what_is_no_array_is_refused() {
    let records = Value::Records(lodestore_types::RecordArray { shape: vec![], fields: vec![] });
    let error = NpyCodec.validate(&records).unwrap_err();
    assert_eq!(error.message(), "`<npy>` does not support object dtype arrays");
    assert_eq!(error.hint(), Some("use `<blob@>`, which holds arrays of any values"));
    assert_eq!(NpyCodec.validate(&Value::List(vec![])).unwrap_err().message(), "`<npy>` requires an array, got list");
    assert!(NpyCodec.inner(false).is_err());
}

/// Element by element what an index gives: shape and bytes in row-major order.
fn naive(array: &NdArray, index: &[Index]) -> (Vec<usize>, Vec<u8>) {
    let shape = array.shape();
    let spoken = index.iter().filter(|item| !matches!(item, Index::Ellipsis | Index::NewAxis)).count();
    let mut items = Vec::new();
    for item in index {
        match item {
            Index::Ellipsis => items.extend(std::iter::repeat_n(Index::ALL, shape.len() - spoken)),
            other => items.push(other.clone()),
        }
    }
    let mentioned = items.iter().filter(|item| **item != Index::NewAxis).count();
    items.extend(std::iter::repeat_n(Index::ALL, shape.len() - mentioned));
    // For every item the positions along its axis; nothing for a new axis.
    let mut axis = 0;
    let mut choices: Vec<(Option<usize>, Vec<usize>, bool)> = Vec::new();
    for item in items {
        if item == Index::NewAxis {
            choices.push((None, vec![0], true));
            continue;
        }
        let size = shape[axis] as i64;
        let wrap = |position: i64| (if position < 0 { position + size } else { position }) as usize;
        let (positions, stays) = match item {
            Index::At(position) => (vec![wrap(position)], false),
            Index::List(positions) => (positions.into_iter().map(wrap).collect(), true),
            Index::Range { start, stop, step } => {
                let inside = |position: i64| if position < 0 { position + size } else { position };
                let mut positions = Vec::new();
                let mut at = match (start, step > 0) {
                    (Some(start), true) => inside(start).max(0),
                    (Some(start), false) => inside(start).min(size - 1),
                    (None, true) => 0,
                    (None, false) => size - 1,
                };
                let stop = stop.map(inside).map(|stop| if step > 0 { stop.min(size) } else { stop.max(-1) });
                let stop = stop.unwrap_or(if step > 0 { size } else { -1 });
                while (step > 0 && at < stop) || (step < 0 && at > stop) {
                    positions.push(at as usize);
                    at += step;
                }
                (positions, true)
            }
            _ => unreachable!(),
        };
        choices.push((Some(axis), positions, stays));
        axis += 1;
    }
    let result: Vec<usize> = choices.iter().filter(|(_, _, stays)| *stays).map(|(_, p, _)| p.len()).collect();
    let count: usize = choices.iter().map(|(_, positions, _)| positions.len()).product();
    let size = array.dtype().itemsize();
    let mut bytes = Vec::new();
    for number in 0..count {
        let mut rest = number;
        let mut position = vec![0; shape.len()];
        for (axis, positions, _) in choices.iter().rev() {
            if let Some(axis) = axis {
                position[*axis] = positions[rest % positions.len()];
            }
            rest /= positions.len();
        }
        let at = match array.order() {
            Order::C => position.iter().zip(shape).fold(0, |at, (i, extent)| at * extent + i),
            Order::Fortran => position.iter().zip(shape).rev().fold(0, |at, (i, extent)| at * extent + i),
        };
        bytes.extend_from_slice(&array.data()[at * size..][..size]);
    }
    (result, bytes)
}

fn row_major(array: &NdArray) -> Vec<u8> {
    naive(array, &[]).1
}

fn take(array: &NdArray, index: &[Index], largest_gap: u64) -> Result<NdArray> {
    let file = file_of(array);
    let plan = plan(&Header::parse(&file).unwrap(), index, PlanOptions { largest_gap })?;
    let mut last = 0;
    let parts: Vec<Bytes> = plan
        .ranges()
        .iter()
        .map(|range| {
            assert!(range.start >= last && range.start < range.end, "ranges ascend");
            last = range.end;
            file.slice(range.start as usize..range.end as usize)
        })
        .collect();
    let found = plan.gather(&parts)?;
    assert_eq!(found.shape(), plan.shape());
    Ok(found)
}

fn item(size: usize) -> impl Strategy<Value = Index> {
    let size = size as i64;
    let bound = move || prop::option::of(-size - 2..size + 3);
    let step = prop::sample::select(vec![-3i64, -2, -1, 1, 1, 1, 2, 3, 100]);
    let range = (bound(), bound(), step).prop_map(|(start, stop, step)| Index::Range { start, stop, step });
    if size == 0 { range.boxed() } else { prop_oneof![1 => (-size..size).prop_map(Index::At), 2 => range].boxed() }
}

fn case() -> impl Strategy<Value = (Vec<usize>, Vec<Index>)> {
    prop::collection::vec(0usize..6, 0..4).prop_flat_map(|shape| {
        let items: Vec<_> = shape.iter().map(|size| item(*size)).collect();
        let (spoken, extra) =
            (0..=shape.len(), prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 0..2));
        (Just(shape), items, spoken, extra, any::<Option<prop::sample::Index>>()).prop_map(
            |(shape, mut items, spoken, extra, ellipsis)| {
                items.truncate(spoken);
                // An ellipsis pushes later items to later axes, whose sizes differ: only behind all.
                if ellipsis.is_some() {
                    items.push(Index::Ellipsis);
                }
                for (_, place) in extra {
                    items.insert(place.index(items.len() + 1), Index::NewAxis);
                }
                (shape, items)
            },
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn slices_are_those_of_numpy(
        (shape, index) in case(), fortran in any::<bool>(), gap in prop::sample::select(vec![0u64, 8, 1 << 16]),
        dtype in prop::sample::select(vec!["|u1", "<i2", "<f8", "<c16", "<U3"])
    ) {
        let array = array(dtype, &shape, if fortran { Order::Fortran } else { Order::C });
        let found = take(&array, &index, gap).unwrap();
        let (shape, bytes) = naive(&array, &index);
        prop_assert_eq!(found.shape(), &shape[..]);
        prop_assert_eq!(row_major(&found), bytes);
    }

    #[test]
    fn one_list_takes_positions_of_its_axis(
        shape in prop::collection::vec(1usize..6, 1..4), axis in any::<prop::sample::Index>(),
        positions in prop::collection::vec(any::<prop::sample::Index>(), 0..9), fortran in any::<bool>(), gap in 0u64..40
    ) {
        let axis = axis.index(shape.len());
        let size = shape[axis] as i64;
        let list: Vec<i64> = positions.iter().map(|p| p.index(2 * size as usize) as i64 - size).collect();
        let array = array("<i2", &shape, if fortran { Order::Fortran } else { Order::C });
        let mut index = vec![Index::ALL; axis];
        index.push(Index::List(list));
        let found = take(&array, &index, gap).unwrap();
        let (shape, bytes) = naive(&array, &index);
        prop_assert_eq!(found.shape(), &shape[..]);
        prop_assert_eq!(row_major(&found), bytes);
    }

    #[test]
    fn damaged_headers_never_make_the_reader_stumble(
        at in any::<prop::sample::Index>(), damage in prop::collection::vec(any::<u8>(), 1..6)
    ) {
        let mut file = file_of(&array("[('a', '<i4'), ('b', '<U3', (2,))]", &[2, 3], Order::C)).to_vec();
        let at = at.index(128);
        for (byte, damage) in file[at..].iter_mut().zip(&damage) {
            *byte = *damage;
        }
        let _ = read(file.into());
    }
}

/// Numbers 0, 1, 2 ... in a shape.
fn counted(shape: &[usize]) -> NdArray {
    let count = shape.iter().product::<usize>() as u16;
    let data: Vec<u8> = (0..count).flat_map(u16::to_le_bytes).collect();
    NdArray::new(DType::parse("<u2").unwrap(), shape.to_vec(), Order::C, data).unwrap()
}

fn taken(shape: &[usize], index: &[Index]) -> (Vec<usize>, Vec<u64>) {
    let found = take(&counted(shape), index, 0).unwrap();
    let numbers = found.to_f64().unwrap().into_iter().map(|number| number as u64).collect();
    (found.shape().to_vec(), numbers)
}

fn list(positions: &[i64]) -> Index {
    Index::List(positions.to_vec())
}

#[test]
fn lists_are_taken_together_and_placed_as_numpy_does() {
    let a = &[2, 3, 4][..];
    assert_eq!(taken(a, &[list(&[1, 0]), list(&[2, 1])]).0, [2, 4]);
    assert_eq!(taken(a, &[list(&[1, 0]), list(&[2, 1]), Index::At(3)]), (vec![2], vec![23, 7]));
    assert_eq!(taken(a, &[Index::ALL, list(&[2, 0, 2]), list(&[1, 1, 0])]).0, [2, 3]);
    // Apart from each other: their axis comes first.
    assert_eq!(taken(a, &[list(&[1, 0]), Index::ALL, list(&[2, 1])]), (vec![2, 3], vec![14, 18, 22, 1, 5, 9]));
    assert_eq!(taken(a, &[Index::At(1), Index::ALL, list(&[2, 1])]).0, [2, 3]);
    assert_eq!(taken(a, &[Index::ALL, Index::At(1), list(&[2, 1])]), (vec![2, 2], vec![6, 5, 18, 17]));
    assert_eq!(taken(a, &[list(&[1]), Index::NewAxis, list(&[2])]).0, [1, 1, 4]);
    let column = Index::Array { shape: vec![2, 1], positions: vec![0, 1] };
    assert_eq!(taken(a, &[column.clone(), list(&[0, 2]), Index::At(0)]), (vec![2, 2], vec![0, 8, 12, 20]));
    assert_eq!(taken(a, &[Index::ALL, column, Index::Range { start: None, stop: None, step: -2 }]).0, [2, 2, 1, 2]);
}

#[test]
fn masks_choose_what_is_true() {
    let mask = |shape: &[usize], truth: &[u8]| Index::Mask {
        shape: shape.to_vec(),
        truth: truth.iter().map(|truth| *truth != 0).collect(),
    };
    assert_eq!(taken(&[4], &[mask(&[4], &[1, 0, 0, 1])]), (vec![2], vec![0, 3]));
    assert_eq!(taken(&[2, 2], &[mask(&[2, 2], &[0, 1, 1, 0])]), (vec![2], vec![1, 2]));
    assert_eq!(taken(&[2, 3], &[Index::ALL, mask(&[3], &[0, 1, 1])]), (vec![2, 2], vec![1, 2, 4, 5]));
    assert_eq!(taken(&[2, 3], &[mask(&[2], &[0, 0])]).0, [0, 3]);
    let error = take(&counted(&[3]), &[mask(&[2], &[1, 1])], 0).unwrap_err();
    assert!(error.message().starts_with("boolean index did not match indexed array along axis 0; size of axis is 3"));
}

#[test]
fn wrong_indices_are_told_in_numpys_words() {
    let error = |index: &[Index]| take(&counted(&[3, 2]), index, 0).unwrap_err().message().to_owned();
    assert_eq!(error(&[Index::At(5)]), "index 5 is out of bounds for axis 0 with size 3");
    assert_eq!(error(&[Index::ALL, list(&[0, -3])]), "index -3 is out of bounds for axis 1 with size 2");
    assert_eq!(
        error(&[Index::At(0), Index::At(0), Index::At(0)]),
        "too many indices for array: array is 2-dimensional, but 3 were indexed"
    );
    assert_eq!(error(&[Index::Range { start: None, stop: None, step: 0 }]), "slice step cannot be zero");
    assert_eq!(error(&[Index::Ellipsis, Index::Ellipsis]), "an index can only have a single ellipsis ('...')");
    assert_eq!(
        error(&[list(&[0, 1]), list(&[0, 1, 0])]),
        "shape mismatch: indexing arrays could not be broadcast together with shapes (2,) (3,)"
    );
}

#[test]
fn only_the_bytes_of_a_slice_are_read() {
    let header = |shape: &[usize], order| Header { dtype: DType::F64, shape: shape.to_vec(), order, length: 128 };
    let rows = Index::Range { start: Some(1000), stop: Some(1010), step: 1 };
    let ranges = |header: &Header, index: &[Index]| {
        plan(header, index, PlanOptions::default())
            .unwrap()
            .ranges()
            .iter()
            .map(|range| (range.start, range.end))
            .collect::<Vec<_>>()
    };
    let tall = header(&[25_000_000], Order::C);
    assert_eq!(ranges(&tall, std::slice::from_ref(&rows)), [(128 + 8000, 128 + 8080)]);
    let image = header(&[5000, 5000], Order::C);
    assert_eq!(ranges(&image, std::slice::from_ref(&rows)), [(128 + 40_000_000, 128 + 40_400_000)]);
    // Gaps below the limit are read along, larger ones are not.
    assert_eq!(ranges(&image, &[Index::ALL, Index::At(0)]).len(), 1);
    let wide = header(&[100, 100_000], Order::C);
    assert_eq!(ranges(&wide, &[Index::ALL, Index::At(0)]).len(), 100);
    assert_eq!(ranges(&header(&[100_000, 100], Order::Fortran), &[Index::At(0)]).len(), 100);
    assert_eq!(ranges(&tall, &[list(&[20_000_000, 3, 4, 20_000_001])]).len(), 2);
    assert_eq!(ranges(&tall, &[Index::Range { start: Some(5), stop: Some(5), step: 1 }]), []);
    // Found by fuzzing: a header can announce a shape that nobody could look through.
    let endless = header(&[1 << 28, 1 << 27], Order::Fortran);
    let error = plan(&endless, &[Index::At(0)], PlanOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidIndex);
    // The whole of it is shared, not copied.
    let array = counted(&[3, 4]);
    let file = file_of(&array);
    let whole = plan(&Header::parse(&file).unwrap(), &[], PlanOptions::default()).unwrap();
    let part = file.slice(128..);
    assert_eq!(whole.gather(std::slice::from_ref(&part)).unwrap().data().as_ptr(), part.as_ptr());
}
