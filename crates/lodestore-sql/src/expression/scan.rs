//! SQL that a user wrote, taken apart far enough to find the attributes in it and to keep it inside its place.
//!
//! Text in quotes is never taken for a name, identifiers may be quoted in the manner of any database, and what could
//! break out of the statement (an odd parenthesis, a semicolon, a placeholder, a comment) is refused or removed.

use lodestore_types::{Error, ErrorKind, FullTableName, Result};

use super::sql_text::{Piece, SqlText};
use super::words::{OPERATORS, OTHERS, UNIT_FIRST, is_in};
use crate::Heading;

/// What the scanner found so far.
struct Scanner<'a> {
    text: &'a str,
    at: usize,
    heading: &'a Heading,
    /// Bare names that are no attribute and no word of SQL.
    unknown: Vec<String>,
    has_select: bool,
    depth: usize,
    /// The next word is a unit or a type.
    raw_next: bool,
    /// The next number belongs to an interval.
    interval: bool,
}

impl SqlText {
    /// Scans `text` as an expression over the attributes of `heading`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidCondition`] if the text could not stand by itself between parentheses,
    /// [`ErrorKind::UnknownAttribute`] if it names what is neither an attribute nor SQL.
    pub fn scan(text: &str, heading: &Heading) -> Result<SqlText> {
        let text = text.trim();
        let fault = |error: Error| error.with("sql", text);
        if text.is_empty() {
            return Err(refuse("the SQL text is empty"));
        }
        let mut scanner = Scanner {
            text,
            at: 0,
            heading,
            unknown: Vec::new(),
            has_select: false,
            depth: 0,
            raw_next: false,
            interval: false,
        };
        let pieces = scanner.pieces(false).map_err(fault)?;
        // Inside a query of its own any name may be a column of another table.
        match scanner.unknown.first().filter(|_| !scanner.has_select) {
            Some(name) => Err(fault(heading.unknown(name))),
            None => Ok(SqlText { pieces }),
        }
    }
}

fn refuse(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidCondition, message)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

impl<'a> Scanner<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// The pieces up to the end, or up to the parenthesis that closes this level.
    fn pieces(&mut self, nested: bool) -> Result<Vec<Piece>> {
        let mut pieces = Vec::new();
        let mut previous = String::new();
        self.depth += 1;
        // Each level takes some of the stack, and nobody writes this deep by hand.
        if self.depth > 100 {
            return Err(refuse("the SQL text is nested too deeply"));
        }
        while let Some(c) = self.rest().chars().next() {
            match c {
                ')' if nested => {
                    self.at += 1;
                    self.depth -= 1;
                    return Ok(pieces);
                }
                ')' => return Err(refuse("a parenthesis is closed that was not opened")),
                '(' => {
                    self.at += 1;
                    let inside = self.pieces(true)?;
                    pieces.push(Piece::Group(inside));
                    previous = ")".into();
                }
                '\'' => {
                    let text = self.quoted('\'')?;
                    self.raw_next = std::mem::take(&mut self.interval);
                    pieces.push(Piece::Literal(text));
                    previous = "'".into();
                }
                '"' | '`' => {
                    let text = self.quoted(c)?;
                    pieces.push(self.quoted_name(text, c, &previous)?);
                    previous = "name".into();
                }
                _ if is_word(c) => {
                    let word = self.word();
                    let piece = self.name(word.clone(), &previous)?;
                    pieces.push(piece);
                    previous = word.to_ascii_lowercase();
                }
                _ => {
                    let raw = self.operator(c)?;
                    if !raw.trim().is_empty() {
                        previous = raw.clone();
                    }
                    match pieces.last_mut() {
                        Some(Piece::Raw(last)) if raw != "," && last != "," => last.push_str(&raw),
                        _ => pieces.push(Piece::Raw(raw)),
                    }
                }
            }
        }
        if nested {
            return Err(refuse("a parenthesis is not closed"));
        }
        Ok(pieces)
    }

    /// The text up to the closing quote; a doubled quote stands for one.
    fn quoted(&mut self, quote: char) -> Result<String> {
        let mut text = String::new();
        self.at += 1;
        loop {
            let Some(end) = self.rest().find(quote) else {
                return Err(refuse(format!("a text in {quote} is not closed")));
            };
            text.push_str(&self.rest()[..end]);
            self.at += end + 1;
            if !self.rest().starts_with(quote) {
                return Ok(text);
            }
            text.push(quote);
            self.at += 1;
        }
    }

    /// A word, or a number with its point and exponent.
    fn word(&mut self) -> String {
        let number = self.rest().starts_with(|c: char| c.is_ascii_digit());
        let mut end = 0;
        let mut last = ' ';
        for c in self.rest().chars() {
            let exponent = number && matches!(c, '+' | '-') && matches!(last, 'e' | 'E');
            if !(is_word(c) || (number && c == '.') || exponent) {
                break;
            }
            last = c;
            end += c.len_utf8();
        }
        let word = self.rest()[..end].to_owned();
        self.at += end;
        word
    }

    /// Characters between words; comments become a blank.
    fn operator(&mut self, c: char) -> Result<String> {
        let rest = self.rest();
        let next = rest.chars().nth(1);
        if rest.starts_with("--") || (c == '#' && next.is_none_or(|next| next != '>' && next != '-')) {
            self.at += rest.find('\n').unwrap_or(rest.len());
            return Ok(" ".into());
        }
        if rest.starts_with("/*") {
            let Some(end) = rest.find("*/") else { return Err(refuse("a comment is not closed")) };
            self.at += end + 2;
            return Ok(" ".into());
        }
        // The peer's users had to double it in computed attributes, and no operator is spelled so.
        if rest.starts_with("%%") {
            self.at += 2;
            return Ok("%".into());
        }
        if rest.starts_with("::") {
            self.at += 2;
            return Ok("::".into());
        }
        let placeholder = match c {
            '?' => true,
            ':' | '@' | '$' => next.is_some_and(is_word),
            _ => false,
        };
        if placeholder {
            return Err(refuse(format!("`{c}` would stand for a parameter, and SQL text has none"))
                .with_hint("write values into a mapping, such as {'attribute': value}"));
        }
        if c == ';' || c == '\\' || (c.is_control() && !c.is_whitespace()) {
            return Err(refuse(format!("the character {c:?} is not allowed outside quotes")));
        }
        self.at += c.len_utf8();
        Ok(c.to_string())
    }

    /// A bare word: a function, an attribute, or a word of SQL.
    fn name(&mut self, word: String, previous: &str) -> Result<Piece> {
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            self.raw_next = std::mem::take(&mut self.interval);
            return Ok(Piece::Raw(word));
        }
        if std::mem::take(&mut self.raw_next) {
            return Ok(Piece::Raw(word));
        }
        self.interval = word.eq_ignore_ascii_case("interval");
        let ahead = self.rest().trim_start();
        let operator = is_in(OPERATORS, &word);
        if word.eq_ignore_ascii_case("select") {
            self.has_select = true;
        }
        if matches!(previous, "from" | "join") && self.has_select && ahead.starts_with('.') {
            return self.table(word);
        }
        if ahead.starts_with('(') && !operator && !previous.ends_with('.') {
            self.at = self.text.len() - ahead.len() + 1;
            self.raw_next = UNIT_FIRST.contains(&word.to_ascii_lowercase().as_str());
            let inside = self.pieces(true)?;
            return Ok(Piece::Call(word, inside));
        }
        let known = self.heading.get_any(&word).is_some();
        // `date '2024-01-01'` is a literal, whatever the attributes are called; a type stands behind `as` and `::`.
        let prefix = ahead.starts_with('\'') && is_in(OTHERS, &word);
        let foreign = operator || prefix || matches!(previous, "as" | "::") || previous.ends_with('.');
        if known && !foreign {
            return Ok(Piece::Name(word));
        }
        let checked = word.starts_with(|c: char| c.is_lowercase());
        if checked && !foreign && !is_in(OTHERS, &word) && !ahead.starts_with('.') {
            self.unknown.push(word.clone());
        }
        Ok(Piece::Raw(word))
    }

    /// `schema.table`, of which the schema is read.
    fn table(&mut self, schema: String) -> Result<Piece> {
        let ahead = self.rest().trim_start();
        self.at = self.text.len() - ahead.len() + 1;
        let blank = self.rest().len() - self.rest().trim_start().len();
        self.at += blank;
        let table = match self.rest().chars().next() {
            Some(quote @ ('"' | '`')) => self.quoted(quote)?,
            _ => self.word(),
        };
        FullTableName::parse(&format!("{schema}.{table}")).map(Piece::Table)
    }

    /// What stands in double quotes or backticks: a name, or for double quotes what some databases call text.
    fn quoted_name(&mut self, text: String, quote: char, previous: &str) -> Result<Piece> {
        let ahead = self.rest().trim_start();
        if matches!(previous, "from" | "join") && self.has_select && ahead.starts_with('.') {
            return self.table(text);
        }
        if self.heading.get_any(&text).is_some() || previous.ends_with('.') || ahead.starts_with('.') {
            return Ok(Piece::Name(text));
        }
        if quote == '"' && !self.has_select {
            return Ok(Piece::Literal(text));
        }
        if !self.has_select {
            self.unknown.push(text.clone());
        }
        Ok(Piece::Name(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sqlite;
    use crate::declaration::tests::declare_text;

    fn heading() -> Heading {
        let text = "a : int8\n---\nb : varchar(3)\ndate : date\nday : int8\norder : int8\nmeta : json";
        declare_text("lab.__t", text, &[]).unwrap().heading()
    }

    fn scan(text: &str) -> String {
        SqlText::scan(text, &heading())
            .unwrap_or_else(|error| panic!("{text}: {error}"))
            .render_with(&Sqlite, &|_| None)
    }

    #[test]
    fn names_are_quoted_and_the_rest_is_kept() {
        let cases = [
            ("a > 3 and b like '50%'", "\"a\" > 3 and \"b\" like '50%'"),
            ("`a`=1 OR \"b\" = \"it's\"", "\"a\"=1 OR \"b\" = 'it''s'"),
            ("date = date '2024-01-01'", "\"date\" = date '2024-01-01'"),
            ("order in (1, 2.5e-3, (a))", "\"order\" in (1, 2.5e-3, (\"a\"))"),
            ("lower( b ) = 'x' -- why", "lower(\"b\") = 'x'"),
            ("a in (select n from lab.`#m`)", "\"a\" in (select n from \"lab.#m\")"),
            (
                "day + interval 1 day",
                "CASE WHEN length(\"day\") = 10 THEN date(\"day\", '+1 day') \
                 ELSE rtrim(rtrim(strftime('%Y-%m-%d %H:%M:%f', \"day\", '+1 day'), '0'), '.') END",
            ),
            (
                "cast(a as char) = case when TRUE then 1 else null end",
                "CAST(\"a\" AS TEXT) = case when TRUE then 1 else null end",
            ),
            ("_job_duration > 3 /* x */", "\"_job_duration\" > 3"),
            ("a::text = 'x'", "\"a\"::text = 'x'"),
            ("count(distinct a, b)", "count(distinct \"a\", \"b\")"),
            ("SUBJECT is NULL", "SUBJECT is NULL"),
        ];
        for (text, expected) in cases {
            assert_eq!(scan(text).trim(), expected, "{text}");
        }
    }

    #[test]
    fn what_breaks_out_is_refused() {
        let texts = [
            "",
            "a = 1) OR (b = 2",
            "a = 1;",
            "a = 'x",
            "a = ?",
            "a = :x",
            "a = @x",
            "a = $1",
            "(a",
            "a = 1\0",
            "/* a",
            "\"a",
            "a = \\",
        ];
        for text in texts {
            assert_eq!(SqlText::scan(text, &heading()).unwrap_err().kind(), ErrorKind::InvalidCondition, "{text:?}");
        }
        assert!(SqlText::scan(&"(".repeat(100_000), &heading()).is_err());
        for (text, hint) in [("aa = 1", Some("did you mean `a`?")), ("`nope` = 1", None), ("a = nosuch", None)] {
            let error = SqlText::scan(text, &heading()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnknownAttribute, "{text}");
            assert!(hint.is_none_or(|hint| error.hint() == Some(hint)), "{error:?}");
        }
    }
}
