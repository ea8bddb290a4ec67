//! Any bytes are unpacked or refused; what was unpacked can be packed, or is refused with a reason.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lodestore_codec::blob::{self, CountWidth, UnpackOptions};

fuzz_target!(|data: &[u8]| {
    let _ = blob::unpack_opts(data.to_vec(), UnpackOptions { counts: CountWidth::Bits32 });
    let Ok(value) = blob::unpack(data.to_vec()) else { return };
    if let Ok(packed) = blob::pack(&value) {
        // Text arrays come from MATLAB characters and go out as objects: from then on all is stable.
        let again = blob::unpack(packed.clone()).expect("what was packed is read");
        let twice = blob::pack(&again).expect("what was read is packed");
        assert_eq!(blob::pack(&blob::unpack(twice.clone()).expect("read again")).expect("packed again"), twice);
    }
});
