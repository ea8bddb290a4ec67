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
    let mut sql = String::new();
    // Where the last operand begins.
    let mut operand: Option<usize> = None;
    let mut index = 0;
    while let Some(piece) = pieces.get(index) {
        let start = sql.len();
        match piece {
            Piece::Raw(_) if negates(index) => {}
            Piece::Raw(text) => {
                let mut text = text.as_str();
                while let (Some(begin), Some(sign)) = (operand, sign(text))
                    && let Some((count, unit, next)) = interval(&pieces[index + 1..])
                    && let Some(moved) = dialect.shift(
                        sql[begin..].trim(),
                        render(std::slice::from_ref(count), dialect, replace).trim(),
                        unit,
                        sign,
                    )
                {
                    sql.truncate(begin);
                    sql.push_str(&moved);
                    index += next;
                    // What follows the unit stands in the same piece.
                    text = word_and_rest(&pieces[index]).1;
                }
                let negated = index > 0 && negates(index - 1);
                match dialect.operator(text.trim(), negated) {
                    Some(operator) => sql.push_str(&format!("{operator} ")),
                    None => sql.push_str(text),
                }
            }
            Piece::Name(name) => sql.push_str(&replace(name).unwrap_or_else(|| dialect.quote(name))),
            Piece::Literal(text) => sql.push_str(&dialect.literal(text)),
            Piece::Table(table) => sql.push_str(&dialect.table(table)),
            Piece::Group(inside) => sql.push_str(&format!("({})", render(inside, dialect, replace))),
            Piece::Call(function, inside) => {
                let arguments: Vec<String> = inside
                    .split(|piece| matches!(piece, Piece::Raw(raw) if raw == ","))
                    .map(|argument| render(argument, dialect, replace).trim().to_owned())
                    .collect();
                let call = dialect.call(function, &arguments);
                sql.push_str(&call.unwrap_or_else(|| format!("{function}({})", arguments.join(", "))));
            }
        }
        if !matches!(piece, Piece::Raw(_)) {
            operand = Some(start);
        } else if !word(index).is_empty() && sign(word(index)).is_none() {
            operand = None;
        }
        index += 1;
    }
    sql
}

/// The sign, if the text is one and nothing else.
fn sign(text: &str) -> Option<char> {
    match text.trim() {
        "+" => Some('+'),
        "-" => Some('-'),
        _ => None,
    }
}

/// `interval count unit` at the beginning of pieces: the count, the unit, and how far its piece is away, counted from the
/// piece before them.
fn interval(pieces: &[Piece]) -> Option<(&Piece, &str, usize)> {
    if !matches!(pieces.first()?, Piece::Raw(raw) if is_word(raw, "interval")) {
        return None;
    }
    let blank = |piece: &Piece| matches!(piece, Piece::Raw(raw) if raw.trim().is_empty());
    let unit = if blank(pieces.get(2)?) { 3 } else { 2 };
    let name = word_and_rest(pieces.get(unit)?).0;
    (!name.is_empty()).then_some((pieces.get(1)?, name, unit + 1))
}

/// The first word of a raw piece, and what follows it.
fn word_and_rest(piece: &Piece) -> (&str, &str) {
    let Piece::Raw(raw) = piece else { return ("", "") };
    raw.split_at(raw.find(|c: char| !c.is_ascii_alphabetic() && c != '_').unwrap_or(raw.len()))
}
