//! Any text is a definition or is refused, and what a definition prints parses to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lodestore_sql::Definition;

fuzz_target!(|text: &str| {
    if let Ok(definition) = Definition::parse(text) {
        let printed = definition.to_string();
        assert_eq!(Definition::parse(&printed).ok(), Some(definition), "{printed}");
    }
});
