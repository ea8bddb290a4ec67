//! Any manifest is read or refused; what was read is written and read alike.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lodestore_codec::manifest::Manifest;

fuzz_target!(|data: &[u8]| {
    let Ok(manifest) = Manifest::parse(data) else { return };
    assert_eq!(Manifest::parse(&manifest.to_bytes()).expect("what was written is read"), manifest);
    assert!(manifest.entries().iter().all(|entry| !entry.path.split('/').any(|segment| segment == "..")));
});
