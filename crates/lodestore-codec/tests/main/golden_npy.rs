//! What NumPy wrote and sliced: `golden/npy.json`, made by `golden/npy.py`.

use bytes::Bytes;
use lodestore_codec::npy::{self, Header, Index, PlanOptions, dtype_name, parse_dtype, plan};
use lodestore_types::{ErrorKind, NdArray, Order, Result};
use serde_json::Value as Json;

use crate::describe::{hex, row_major, unhex};

fn index_of(item: &Json) -> Index {
    let shape_and =
        |pair: &Json| -> (Vec<usize>, Json) { (serde_json::from_value(pair[0].clone()).unwrap(), pair[1].clone()) };
    match item {
        Json::String(word) if word == "n" => Index::NewAxis,
        Json::String(_) => Index::Ellipsis,
        item if !item["i"].is_null() => Index::At(item["i"].as_i64().unwrap()),
        item if !item["r"].is_null() => Index::Range {
            start: item["r"][0].as_i64(),
            stop: item["r"][1].as_i64(),
            step: item["r"][2].as_i64().unwrap(),
        },
        item if !item["a"].is_null() => {
            let (shape, positions) = shape_and(&item["a"]);
            Index::Array { shape, positions: serde_json::from_value(positions).unwrap() }
        }
        item => {
            let (shape, truth) = shape_and(&item["m"]);
            Index::Mask { shape, truth: serde_json::from_value(truth).unwrap() }
        }
    }
}

fn take(file: &Bytes, index: &[Index], largest_gap: u64) -> Result<NdArray> {
    let plan = plan(&Header::parse(file)?, index, PlanOptions { largest_gap })?;
    let cut = |range: &std::ops::Range<u64>| file.slice(range.start as usize..range.end as usize);
    plan.gather(&plan.ranges().iter().map(cut).collect::<Vec<_>>())
}

#[test]
fn files_names_and_slices_are_those_of_numpy() {
    let made = std::env::var("LODESTORE_NUMPY_CASES").map(|path| std::fs::read_to_string(path).unwrap());
    let golden = made.unwrap_or_else(|_| include_str!("../golden/npy.json").to_owned());
    let golden: Json = serde_json::from_str(&golden).unwrap();
    for array in golden.as_array().unwrap() {
        let file = Bytes::from(unhex(array["file"].as_str().unwrap()));
        let read = npy::read(file.clone()).unwrap();
        let (header, head) = Header::of(&read);
        assert_eq!(head, file.slice(..header.length), "{header:?}");
        let name = array["str"].as_str().unwrap();
        if !name.starts_with('{') {
            assert_eq!(dtype_name(read.dtype()), name);
            assert_eq!(&parse_dtype(name).unwrap(), read.dtype());
        }
        if read.order() == Order::Fortran {
            assert_eq!(read.data().len(), file.len() - header.length);
        }
        for case in array["cases"].as_array().unwrap() {
            let index: Vec<Index> = case["idx"].as_array().unwrap().iter().map(index_of).collect();
            for gap in [0, 16, 1 << 16] {
                match (take(&file, &index, gap), case["error"].as_str()) {
                    (Ok(found), None) => {
                        let shape: Vec<usize> = serde_json::from_value(case["shape"].clone()).unwrap();
                        assert_eq!(found.shape(), shape, "{header:?} {index:?}");
                        assert_eq!(hex(&row_major(&found)), case["hex"].as_str().unwrap(), "{header:?} {index:?}");
                    }
                    (Err(error), Some(_)) => assert_eq!(error.kind(), ErrorKind::InvalidIndex),
                    (found, expected) => panic!("{header:?} {index:?}: {found:?} instead of {expected:?}"),
                }
            }
        }
    }
}
