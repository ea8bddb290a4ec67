//! What is printed, and how numbers read.

use std::io::Write;

use comfy_table::{CellAlignment, Table, presets};
use lodestore::{Error, ErrorKind, Result};
use serde_json::{Value as Json, json};

/// Prints a document on the standard output.
pub(crate) fn json(document: &Json) -> Result<()> {
    print(&format!("{document:#}\n"))
}

/// Prints text on the standard output. A reader that has had enough is no failure.
pub(crate) fn print(text: &str) -> Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::new(ErrorKind::Storage, "cannot write to the standard output").with_source(error))
        }
        _ => Ok(()),
    }
}

/// Prints an error on the standard error stream.
pub(crate) fn error(error: &Error, json: bool) {
    match json {
        true => {
            let context: serde_json::Map<String, Json> =
                error.context().map(|(key, value)| (key.to_owned(), value.into())).collect();
            let kind = error.kind().code();
            let told = json!({"error": error.message(), "kind": kind, "context": context, "hint": error.hint()});
            eprintln!("{told}");
        }
        false => eprintln!("error: {}", error.report()),
    }
}

/// A table of texts; the columns at these positions are numbers.
pub(crate) fn table(header: &[&str], rows: Vec<Vec<String>>, numbers: &[usize]) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(header.to_vec());
    for row in rows {
        table.add_row(row);
    }
    for number in numbers {
        if let Some(column) = table.column_mut(*number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt() + "\n"
}

/// A number of bytes as people read it.
pub(crate) fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut number = count as f64;
    let mut unit = "B";
    for next in UNITS {
        if number < 1023.95 {
            break;
        }
        number /= 1024.0;
        unit = next;
    }
    format!("{number:.1} {unit}")
}

/// A count and its noun.
pub(crate) fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_read_well() {
        for (count, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1 << 20, "1.0 MiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (5 << 30, "5.0 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }
}
