//! SQL text of a user as a tree: what it says of itself, and how each dialect writes it.

use lodestore_types::{CoreType, FullTableName};

use super::words::is_in;
use crate::Dialect;

/// A scanned piece of SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SqlText {
    pub(super) pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Operators, numbers, words of SQL.
    Raw(String),
    /// An attribute, or a quoted name.
    Name(String),
    /// A text literal.
    Literal(String),
    /// `schema.table` behind FROM or JOIN.
    Table(FullTableName),
    /// What stands between parentheses.
    Group(Vec<Piece>),
    /// A function and what stands between its parentheses.
    Call(String, Vec<Piece>),
}

impl SqlText {
    /// The single function that it consists of, with the attribute that is its whole argument, distinct or not.
    pub fn as_call(&self) -> Option<(&str, Option<&str>)> {
        let (function, inside) = self.call()?;
        let argument = match inside {
            [Piece::Name(name)] => Some(name.as_str()),
            [Piece::Raw(word), Piece::Name(name)] if is_word(word, "distinct") => Some(name.as_str()),
            _ => None,
        };
        Some((function, argument))
    }

    fn call(&self) -> Option<(&str, &[Piece])> {
        let blank = |piece: &&Piece| matches!(piece, Piece::Raw(raw) if raw.trim().is_empty());
        let mut pieces = self.pieces.iter().filter(|piece| !blank(piece));
        match (pieces.next(), pieces.next()) {
            (Some(Piece::Call(function, inside)), None) => Some((function, inside)),
            _ => None,
        }
    }

    /// The function over an attribute of this type as the dialect has to say it; nothing if it stands as written.
    pub fn render_aggregate(&self, dialect: &dyn Dialect, core: &CoreType) -> Option<String> {
        let (function, inside) = self.call()?;
        dialect.aggregate(&function.to_ascii_lowercase(), render(inside, dialect, &|_| None).trim(), core)
    }

    /// The name and whether it is descending, if it is a name with nothing but that behind it.
    pub fn as_direction(&self) -> Option<(&str, bool)> {
        let [Piece::Name(name), rest @ ..] = &self.pieces[..] else { return None };
        let words: String = rest
            .iter()
            .map(|piece| match piece {
                Piece::Raw(raw) => raw.to_ascii_lowercase(),
                _ => "?".to_owned(),
            })
            .collect();
        match words.trim() {
            "" | "asc" => Some((name, false)),
            "desc" => Some((name, true)),
            _ => None,
        }
    }

    /// The first function in it that takes many rows to one.
    pub fn aggregate(&self) -> Option<&str> {
        aggregate(&self.pieces)
    }

    /// The text in the manner of a dialect.
    pub fn render(&self, dialect: &dyn Dialect) -> String {
        self.render_with(dialect, &|_| None)
    }

    /// The text in the manner of a dialect, with what `replace` gives instead of some names.
    pub fn render_with(&self, dialect: &dyn Dialect, replace: &dyn Fn(&str) -> Option<String>) -> String {
        render(&self.pieces, dialect, replace)
    }
}

fn is_word(raw: &str, word: &str) -> bool {
    raw.trim().eq_ignore_ascii_case(word)
}

fn aggregate(pieces: &[Piece]) -> Option<&str> {
    const AGGREGATES: &[&str] = &[
        "array_agg",
        "avg",
        "bit_and",
        "bit_or",
        "bool_and",
        "bool_or",
        "count",
        "every",
        "group_concat",
        "json_agg",
        "json_group_array",
        "json_group_object",
        "jsonb_agg",
        "max",
        "min",
        "std",
        "stddev",
        "stddev_pop",
        "stddev_samp",
        "string_agg",
        "sum",
        "total",
        "var_pop",
        "var_samp",
        "variance",
    ];
    let is_word = |piece: &Piece, word: &str| matches!(piece, Piece::Raw(raw) if is_word(raw, word));
    // A query of its own has its own rows.
    if pieces.iter().any(|piece| is_word(piece, "select")) {
        return None;
    }
    let blank = |piece: &&Piece| matches!(piece, Piece::Raw(raw) if raw.trim().is_empty());
    pieces.iter().enumerate().find_map(|(index, piece)| match piece {
        Piece::Call(function, inside) => {
            let several = inside.iter().any(|piece| matches!(piece, Piece::Raw(raw) if raw == ","));
            // With several arguments these compare values of one row, and over a window they keep all rows.
            let scalar = several && matches!(function.to_ascii_lowercase().as_str(), "min" | "max");
            let mut ahead = pieces[index + 1..].iter().skip_while(blank);
            let windowed = match ahead.next() {
                Some(Piece::Call(next, _)) => next.eq_ignore_ascii_case("over"),
                Some(next) => is_word(next, "over") || is_word(next, "filter"),
                None => false,
            };
            let found = !scalar && !windowed && is_in(AGGREGATES, function);
            if found { Some(function.as_str()) } else { aggregate(inside) }
        }
        Piece::Group(inside) => aggregate(inside),
        _ => None,
    })
}

fn render(pieces: &[Piece], dialect: &dyn Dialect, replace: &dyn Fn(&str) -> Option<String>) -> String {
    let word = |index: usize| match pieces.get(index) {
        Some(Piece::Raw(text)) => text.trim(),
        _ => "",
    };
    let negates =
        |index: usize| word(index).eq_ignore_ascii_case("not") && dialect.operator(word(index + 1), true).is_some();
    pieces
        .iter()
        .enumerate()
        .map(|(index, piece)| match piece {
            Piece::Raw(_) if negates(index) => String::new(),
            Piece::Raw(text) => {
                let negated = index > 0 && negates(index - 1);
                match dialect.operator(text.trim(), negated) {
                    Some(operator) => format!("{operator} "),
                    None => text.clone(),
                }
            }
            Piece::Name(name) => replace(name).unwrap_or_else(|| dialect.quote(name)),
            Piece::Literal(text) => dialect.literal(text),
            Piece::Table(table) => dialect.table(table),
            Piece::Group(inside) => format!("({})", render(inside, dialect, replace)),
            Piece::Call(function, inside) => {
                let arguments: Vec<String> = inside
                    .split(|piece| matches!(piece, Piece::Raw(raw) if raw == ","))
                    .map(|argument| render(argument, dialect, replace).trim().to_owned())
                    .collect();
                dialect.call(function, &arguments).unwrap_or_else(|| format!("{function}({})", arguments.join(", ")))
            }
        })
        .collect()
}
