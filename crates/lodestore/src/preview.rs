//! The first rows of a query, as text and as HTML.

use lodestore_sql::{Attribute, Top};
use lodestore_types::{CoreType, DType, Kind, Reference, Result, Value};

use crate::{FetchOptions, NpyRef, OnError, Query};

/// How much a preview shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviewOptions {
    /// At most so many rows.
    pub limit: usize,
    /// Columns of at most so many characters, in text.
    pub width: usize,
    /// Whether all rows are counted.
    pub total: bool,
}

impl Default for PreviewOptions {
    fn default() -> Self {
        PreviewOptions { limit: 12, width: 14, total: true }
    }
}

/// What a preview shows.
struct Shown {
    attributes: Vec<Attribute>,
    /// For each attribute the texts of its cells.
    cells: Vec<Vec<String>>,
    rows: usize,
    more: bool,
    total: Option<u64>,
}

impl Query {
    /// The first rows as text. No object is read: references show the type and shape of what they refer to, other
    /// decoded values the name of their codec.
    ///
    /// # Errors
    /// As [`Query::fetch`].
    pub fn preview(&self) -> Result<String> {
        self.preview_opts(&PreviewOptions::default())
    }

    /// Like [`Query::preview`], with options.
    ///
    /// # Errors
    /// As [`Query::preview`].
    pub fn preview_opts(&self, options: &PreviewOptions) -> Result<String> {
        let shown = self.shown(options)?;
        let columns: Vec<Vec<String>> =
            shown.attributes.iter().zip(&shown.cells).map(|(a, cells)| column(a, cells, options.width)).collect();
        let mut text = String::new();
        for line in 0..shown.rows + 2 {
            let cells: Vec<&str> = columns.iter().map(|column| column[line].as_str()).collect();
            text.push_str(&cells.join(" "));
            text.push('\n');
        }
        if shown.more {
            text.push_str("   ...\n");
        }
        if let Some(total) = shown.total {
            text.push_str(&format!(" (Total: {total})\n"));
        }
        Ok(text)
    }

    /// The first rows as an HTML table for notebooks, everything in it escaped.
    ///
    /// # Errors
    /// As [`Query::preview`].
    pub fn preview_html(&self, options: &PreviewOptions) -> Result<String> {
        let shown = self.shown(options)?;
        let heads: String = shown
            .attributes
            .iter()
            .map(|attribute| {
                let class = if attribute.in_key { "primary" } else { "nonprimary" };
                let (comment, name) = (escape(&attribute.comment), escape(&attribute.name));
                format!("<th><span class=\"{class}\" title=\"{comment}\">{name}</span></th>")
            })
            .collect();
        let row = |row: usize| {
            let cells: String = shown.cells.iter().map(|cells| format!("<td>{}</td>", escape(&cells[row]))).collect();
            format!("<tr>{cells}</tr>\n")
        };
        let body: String = (0..shown.rows).map(row).collect();
        let more = if shown.more { "<p>...</p>\n" } else { "" };
        let total = shown.total.map_or_else(String::new, |total| format!("<p>Total: {total}</p>\n"));
        Ok(format!(
            "{STYLE}<div style=\"max-height:1000px;max-width:1500px;overflow:auto;\">\n<table border=\"1\" \
             class=\"Table\">\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n{more}{total}</div>\n"
        ))
    }

    fn shown(&self, options: &PreviewOptions) -> Result<Shown> {
        let attributes: Vec<Attribute> = self.heading().visible().cloned().collect();
        let is_plain = |attribute: &&Attribute| {
            self.is_lazy(attribute)
                || (attribute.kind.codec.is_none() && !matches!(attribute.kind.core, CoreType::Json | CoreType::Bytes))
        };
        let plain: Vec<&str> = attributes.iter().filter(is_plain).map(|attribute| attribute.name.as_str()).collect();
        let first = self.project(&plain)?.top(&Top::default().with_limit(options.limit as u64 + 1))?;
        let columns = first.fetch_columns_opts(&FetchOptions { on_error: OnError::Null, ..FetchOptions::default() })?;
        let rows = columns.len().min(options.limit);
        let cells = attributes
            .iter()
            .map(|attribute| match columns.column(&attribute.name) {
                Ok(column) => (0..rows).map(|row| self.cell(column.value(row))).collect(),
                Err(_) => vec![attribute.kind.declared.clone(); rows],
            })
            .collect();
        let total = if options.total { Some(self.len()?) } else { None };
        Ok(Shown { attributes, cells, rows, more: columns.len() > rows, total })
    }

    fn cell(&self, value: Value) -> String {
        match value {
            Value::Text(text) => text,
            Value::Reference(reference) => self.outline(reference),
            value => value.to_string(),
        }
    }

    /// What is known of an object without reading it.
    fn outline(&self, reference: Reference) -> String {
        let path = reference.path.to_string();
        match NpyRef::open(self.instance(), reference) {
            Ok(array) => format!("{} {}", type_name(array.dtype()), shape_text(array.shape())),
            Err(_) => path,
        }
    }
}

/// NumPy's name of an element type.
fn type_name(dtype: &DType) -> String {
    let DType::Scalar(scalar) = dtype else { return dtype.to_string() };
    let word = match scalar.kind {
        Kind::Bool => return "bool".to_owned(),
        Kind::Int => "int",
        Kind::UInt => "uint",
        Kind::Float => "float",
        Kind::Complex => "complex",
        _ => return dtype.to_string(),
    };
    format!("{word}{}", scalar.size * 8)
}

/// A shape as Python prints it.
fn shape_text(shape: &[usize]) -> String {
    match shape {
        [length] => format!("({length},)"),
        shape => format!("({})", shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    }
}

fn column(attribute: &Attribute, cells: &[String], width: usize) -> Vec<String> {
    let title = format!("{}{}", if attribute.in_key { "*" } else { "" }, attribute.name);
    // A line break inside a value would break the table.
    let cells: Vec<String> =
        cells.iter().map(|cell| cell.replace(|c: char| c.is_control() || c == '\u{2028}', " ")).collect();
    let longest = cells.iter().map(|cell| cell.chars().count()).chain([attribute.name.chars().count()]).max();
    let space = (longest.unwrap_or(0) + 4).min(width.max(3));
    let rule = format!("+{}+", "-".repeat(space - 2));
    [fit(&title, space), rule].into_iter().chain(cells.iter().map(|cell| fit(cell, space))).collect()
}

fn fit(cell: &str, space: usize) -> String {
    match cell.chars().count() <= space {
        true => format!("{cell:<space$}"),
        false => cell.chars().take(space - 1).chain(['…']).collect(),
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#x27;"),
            other => escaped.push(other),
        }
    }
    escaped
}

const STYLE: &str = "<style>
.Table{border-collapse:collapse;font-size:12px}
.Table th,.Table td{border:1px solid #8888;padding:.2em .6em;text-align:left;max-width:24em;
overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.Table th{background:#8883}
.Table .primary{font-weight:bold;text-decoration:underline}
@media (prefers-color-scheme:dark){.Table th{background:#fff2}}
</style>
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_cut_and_escaped() {
        assert_eq!(fit("abc", 5), "abc  ");
        assert_eq!(fit("é😀xyz", 4), "é😀x…");
        assert_eq!(escape("<b a='1'>&\""), "&lt;b a=&#x27;1&#x27;&gt;&amp;&quot;");
        assert_eq!(
            (shape_text(&[5]), shape_text(&[]), shape_text(&[2, 3])),
            ("(5,)".into(), "()".into(), "(2, 3)".into())
        );
        assert_eq!(type_name(&DType::F64), "float64");
    }
}
