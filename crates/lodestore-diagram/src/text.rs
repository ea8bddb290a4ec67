//! The width of text in Helvetica, with which Arial and Liberation Sans agree.

/// The width of a line of heavier text.
pub(crate) fn bold_width(text: &str, size: f64) -> f64 {
    width(text, size) * 1.1
}

/// Widths of the printable ASCII characters from the space on, in thousandths of the font size.
const WIDTHS: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556,
    556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833,
    722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556,
    556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334,
    260, 334, 584,
];

/// The width of a line of text, with some reserve for fonts that run wider.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    let thousandths = |c: char| match c as u32 {
        code @ 32..=126 => f64::from(WIDTHS[code as usize - 32]),
        // Ideographs and other wide letters.
        0x1100.. => 1000.0,
        _ => 600.0,
    };
    text.chars().map(thousandths).sum::<f64>() / 1000.0 * size * 1.04
}

#[cfg(test)]
mod tests {
    use super::width;

    #[test]
    fn wide_letters_need_more_room() {
        assert!(width("WWW", 12.0) > 2.0 * width("iii", 12.0));
        assert!((width("Session", 10.0) - 35.0).abs() < 4.0, "{}", width("Session", 10.0));
        assert!(width("神経", 12.0) > 24.0);
    }
}
