//! The drawing as SVG.

use std::fmt::Write;

use crate::Theme;
use crate::layout::{Curve, Layout};
use crate::paint::{Colour, Shape, Stroke};
use crate::theme::Palette;

/// Fonts with the widths that the layout reckons with, then what else there may be.
const FONTS: &str = "Helvetica, Arial, 'Liberation Sans', 'Nimbus Sans', 'DejaVu Sans', sans-serif";

pub(crate) fn svg(layout: &Layout, shapes: &[Shape], theme: Theme) -> String {
    let (width, height) = (number(layout.width), number(layout.height));
    let scope = format!("lodestore-diagram-{}", theme.name());
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"{scope}\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 \
         {width} {height}\" font-family=\"{FONTS}\">\n<style>\n{}",
        style(&scope, theme.palette(), "")
    );
    if theme == Theme::Auto {
        let dark = style(&scope, Theme::Dark.palette(), "  ");
        let _ = writeln!(text, "@media (prefers-color-scheme: dark) {{\n{dark}}}");
    }
    text += "</style>\n";
    shapes.iter().for_each(|shape| write_shape(&mut text, shape));
    text + "</svg>\n"
}

/// Several drawings may stand in one page: all rules are those of a class that the theme names.
fn style(scope: &str, palette: &Palette, indent: &str) -> String {
    let mut text = String::new();
    for colour in Colour::all() {
        let (name, colours) = (colour.name(), colour.of(palette));
        let _ = writeln!(
            text,
            "{indent}.{scope} .box-{name} {{ fill: {}; stroke: {} }}\n{indent}.{scope} .text-{name} {{ fill: {} }}\n\
             {indent}.{scope} .line-{name} {{ fill: none; stroke: {} }}",
            colours.fill, colours.stroke, colours.text, colours.text
        );
    }
    text
}

fn write_shape(text: &mut String, shape: &Shape) {
    let _ = match shape {
        Shape::Begin(details) => writeln!(text, "<g><title>{}</title>", escape(details)),
        Shape::End => writeln!(text, "</g>"),
        Shape::Box { rect, radius, colour, stroke } => writeln!(
            text,
            "<rect class=\"box-{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\"{}/>",
            colour.name(),
            number(rect.x),
            number(rect.y),
            number(rect.width),
            number(rect.height),
            number(*radius),
            stroked(stroke)
        ),
        Shape::Path { curve, colour, stroke } => {
            writeln!(text, "<path class=\"line-{}\" d=\"{}\"{}/>", colour.name(), data(curve), stroked(stroke))
        }
        Shape::Dot { centre, radius, colour } => writeln!(
            text,
            "<circle class=\"text-{}\" cx=\"{}\" cy=\"{}\" r=\"{}\"/>",
            colour.name(),
            number(centre.0),
            number(centre.1),
            number(*radius)
        ),
        Shape::Text { at, centred, size, bold, underlined, colour, text: label } => writeln!(
            text,
            "<text class=\"text-{}\" x=\"{}\" y=\"{}\" font-size=\"{}\"{}{}{}>{}</text>",
            colour.name(),
            number(at.0),
            number(at.1),
            number(*size),
            if *centred { " text-anchor=\"middle\"" } else { "" },
            if *bold { " font-weight=\"bold\"" } else { "" },
            if *underlined { " text-decoration=\"underline\"" } else { "" },
            escape(label)
        ),
    };
}

fn stroked(stroke: &Stroke) -> String {
    let dashes = if stroke.dashed { " stroke-dasharray=\"5 3\"" } else { "" };
    format!(" stroke-width=\"{}\"{dashes}", number(stroke.width))
}

fn data(curve: &Curve) -> String {
    let pair = |(x, y): (f64, f64)| format!("{} {}", number(x), number(y));
    let mut text = format!("M{}", pair(curve.start));
    for [first, second, end] in &curve.pieces {
        match second == end {
            true => text += &format!("L{}", pair(*end)),
            false => text += &format!("C{} {} {}", pair(*first), pair(*second), pair(*end)),
        }
    }
    text
}

/// A tenth of a pixel is fine enough.
fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

fn escape(text: &str) -> String {
    // XML forbids most control characters, even escaped.
    let visible = text.chars().filter(|c| !c.is_control() || *c == '\n' || *c == '\t');
    let mut escaped = String::new();
    for c in visible {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
    }
    escaped
}
