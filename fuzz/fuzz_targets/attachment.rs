//! Whatever a store gives as an attachment, its name stays in its folder.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lodestore_codec::attach;

fuzz_target!(|data: &[u8]| {
    let Ok((name, content)) = attach::split(data.to_vec().into()) else { return };
    assert!(!name.is_empty() && name.len() <= 255 && name != "." && name != "..");
    assert!(!name.contains(['/', '\\', '\0']));
    assert!(data.ends_with(&content));
    attach::head(&name).expect("a safe name can be stored again");
});
