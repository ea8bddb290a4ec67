//! Any header is read or refused, and slices of what it tells are planned within bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lodestore_codec::npy::{Header, Index, PlanOptions, parse_dtype, plan, read};

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = parse_dtype(text);
    }
    if let Ok(array) = read(data.to_vec().into()) {
        let head = Header::of(&array).1;
        assert_eq!(Header::parse(&head).expect("our header is read").shape, array.shape());
    }
    let Ok(header) = Header::parse(data) else { return };
    let last = Index::Range { start: Some(-1), stop: None, step: -1 };
    for index in [vec![], vec![Index::At(0)], vec![last], vec![Index::Ellipsis, Index::List(vec![0, -1])]] {
        if let Ok(plan) = plan(&header, &index, PlanOptions::default()) {
            let end = (header.length + header.data_size().expect("planned")) as u64;
            assert!(plan.ranges().iter().all(|range| range.start < range.end && range.end <= end));
        }
    }
});
