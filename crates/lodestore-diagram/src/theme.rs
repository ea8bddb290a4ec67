//! The palette, for light and for dark backgrounds.

use crate::Kind;

/// Which colours a drawing has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Theme {
    /// Dark colours on a light background.
    Light,
    /// Light colours on a dark background.
    Dark,
    /// Light or dark, as the viewer prefers; light where a drawing cannot ask.
    #[default]
    Auto,
}

/// Fill, stroke and text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Colours {
    pub(crate) fill: &'static str,
    pub(crate) stroke: &'static str,
    pub(crate) text: &'static str,
}

const fn colours(fill: &'static str, stroke: &'static str, text: &'static str) -> Colours {
    Colours { fill, stroke, text }
}

/// All colours of one theme. `canvas` is the whole drawing, with the frame as its stroke and edges as its text.
pub(crate) struct Palette {
    pub(crate) canvas: Colours,
    pub(crate) group: Colours,
    pub(crate) card: Colours,
    pub(crate) renamed: &'static str,
    kinds: [Colours; 7],
}

impl Palette {
    pub(crate) fn of(&self, kind: Kind) -> Colours {
        self.kinds[kind as usize]
    }
}

const LIGHT: Palette = Palette {
    canvas: colours("#FFFFFF", "#FFFFFF", "#6F7885"),
    group: colours("#F6F7F9", "#D3D8DF", "#5C6570"),
    card: colours("#ECEEF2", "#ECEEF2", "#6F7885"),
    renamed: "#C2700A",
    kinds: [
        colours("#DDF1E2", "#3C8C5A", "#17482C"),
        colours("#E6E8EC", "#8A919C", "#3D444E"),
        colours("#DCEBFA", "#3A7FC2", "#123F6B"),
        colours("#FCE4DB", "#D0553A", "#7C2413"),
        colours("#FFFFFF", "#AEB5BF", "#434A54"),
        colours("#FAF3D3", "#BBA136", "#5B4D0E"),
        colours("#E9E6F6", "#7A6FB4", "#3B326B"),
    ],
};

const DARK: Palette = Palette {
    canvas: colours("#14171C", "#14171C", "#8A94A3"),
    group: colours("#1A1E25", "#38404B", "#A3ADBA"),
    card: colours("#252A33", "#252A33", "#8A94A3"),
    renamed: "#E8A33D",
    kinds: [
        colours("#173322", "#58B980", "#C4EED3"),
        colours("#2A2F38", "#939CA9", "#D3D9E1"),
        colours("#142C45", "#5AA3E6", "#C5E1FA"),
        colours("#40201A", "#EC7A5C", "#FCD2C5"),
        colours("#1C2129", "#79828F", "#C9D0DA"),
        colours("#353012", "#CFB64C", "#F3E8B3"),
        colours("#2A2545", "#9A8FD8", "#DDD8F7"),
    ],
};

impl Theme {
    /// The palette; that of the light theme where the viewer decides.
    pub(crate) fn palette(self) -> &'static Palette {
        match self {
            Theme::Dark => &DARK,
            Theme::Light | Theme::Auto => &LIGHT,
        }
    }

    /// Its name, as settings have it.
    pub fn name(self) -> &'static str {
        match self {
            Theme::Light => "light",
            Theme::Dark => "dark",
            Theme::Auto => "auto",
        }
    }

    /// The theme of this name.
    pub fn parse(name: &str) -> Option<Theme> {
        [Theme::Light, Theme::Dark, Theme::Auto].into_iter().find(|theme| theme.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The contrast of two colours as WCAG 2 defines it.
    fn contrast(a: &str, b: &str) -> f64 {
        let luminance = |colour: &str| {
            let channel = |at: usize| {
                let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
                if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
        };
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn labels_and_lines_can_be_read() {
        for theme in [Theme::Light, Theme::Dark] {
            let palette = theme.palette();
            for kind in Kind::ALL {
                let Colours { fill, text, .. } = palette.of(kind);
                assert!(contrast(fill, text) > 7.0, "{theme:?} {kind:?} {}", contrast(fill, text));
            }
            assert!(contrast(palette.group.fill, palette.group.text) > 4.5);
            for line in [palette.canvas.text, palette.renamed] {
                assert!(contrast(line, palette.group.fill) > 3.0, "{theme:?} {line}");
            }
        }
    }

    #[test]
    fn themes_have_names() {
        assert_eq!(Theme::parse("dark"), Some(Theme::Dark));
        assert_eq!(Theme::parse("Dark"), None);
    }
}
