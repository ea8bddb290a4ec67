//! The grammar of the single lines.

use winnow::combinator::{alt, delimited, eof, opt, preceded, repeat, separated, terminated};
use winnow::error::{ContextError, ErrMode, StrContext, StrContextValue};
use winnow::stream::LocatingSlice;
use winnow::token::{literal, one_of, rest, take_till, take_while};
use winnow::{ModalResult, Parser};

use super::report::Fault;
use super::{AttributeLine, DefaultText, ForeignKeyLine, ForeignKeyOptions, IndexLine, Reference};

pub(super) type Input<'a> = LocatingSlice<&'a str>;
pub(super) type Failure = ErrMode<ContextError>;

/// What should stand where a parser stops.
fn expected(what: &'static str) -> StrContext {
    StrContext::Expected(StrContextValue::Description(what))
}

/// A parser that always fails here, saying what should stand there instead.
fn fail<T>(what: &'static str, hint: Option<&'static str>) -> ModalResult<T> {
    let mut error = ContextError::new();
    error.push(expected(what));
    if let Some(hint) = hint {
        error.push(StrContext::Label(hint));
    }
    Err(ErrMode::Cut(error))
}

fn blank<'a>(input: &mut Input<'a>) -> ModalResult<&'a str> {
    take_while(0.., char::is_whitespace).parse_next(input)
}

fn is_name_start(c: char) -> bool {
    c.is_ascii_lowercase() || c == '_'
}

fn is_name_part(c: char) -> bool {
    is_name_start(c) || c.is_ascii_digit()
}

fn attribute_name(input: &mut Input<'_>) -> ModalResult<String> {
    (one_of(is_name_start), take_while(0.., is_name_part))
        .take()
        .map(str::to_owned)
        .context(expected("an attribute name (lower-case letters, digits and underscores)"))
        .parse_next(input)
}

/// `name = default : type # comment`.
pub(super) fn attribute(input: &mut Input<'_>) -> ModalResult<AttributeLine> {
    let name = attribute_name(input)?;
    blank(input)?;
    let default = match opt('=').parse_next(input)? {
        Some(_) => default(input)?,
        None => None,
    };
    literal(":").context(expected("`:` and a type")).parse_next(input)?;
    blank(input)?;
    let type_text = alt((codec_type, plain_type)).parse_next(input)?;
    let comment = comment(input)?;
    Ok(AttributeLine { name, default, type_text, comment })
}

/// Everything up to the colon, quoted stretches skipped.
fn default(input: &mut Input<'_>) -> ModalResult<Option<DefaultText>> {
    blank(input)?;
    let text: &str = outside_quotes(':').take().parse_next(&mut input.clone())?;
    let text = text.trim_end();
    let found = if text.is_empty() {
        None
    } else if text.eq_ignore_ascii_case("null") {
        Some(DefaultText::Null)
    } else if let Some(moment) = moment(text) {
        Some(moment)
    } else if let Some(inner) = text.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')) {
        Some(DefaultText::Literal(inner.to_owned()))
    } else if let Some(inner) = text.strip_prefix('\'') {
        match inner.strip_suffix('\'').filter(|inner| !inner.replace("''", "").contains('\'')) {
            Some(inner) => Some(DefaultText::Literal(inner.replace("''", "'"))),
            None => return fail("a default that ends with its quote", Some("write a quote inside as two quotes")),
        }
    } else {
        Some(DefaultText::Literal(text.to_owned()))
    };
    outside_quotes(':').parse_next(input)?;
    Ok(found)
}

/// `CURRENT_TIMESTAMP`, with or without a number of digits.
fn moment(text: &str) -> Option<DefaultText> {
    let word = "current_timestamp";
    let tail = text.get(word.len()..).filter(|_| text[..word.len()].eq_ignore_ascii_case(word))?;
    if tail.is_empty() {
        return Some(DefaultText::Now(None));
    }
    let digits = tail.strip_prefix('(')?.strip_suffix(')')?.trim();
    if digits.is_empty() {
        return Some(DefaultText::Now(None));
    }
    digits.parse().ok().filter(|digits| *digits <= 6).map(|digits| DefaultText::Now(Some(digits)))
}

/// Skips to `stop` (or the end), over stretches in quotes.
fn outside_quotes<'a>(stop: char) -> impl Parser<Input<'a>, (), Failure> {
    repeat(0.., alt((quoted_stretch.void(), one_of(move |c| c != stop && c != '\'' && c != '"').void(), lone_quote)))
}

fn quoted_stretch<'a>(input: &mut Input<'a>) -> ModalResult<&'a str> {
    alt((delimited('\'', take_till(0.., '\''), '\''), delimited('"', take_till(0.., '"'), '"'))).parse_next(input)
}

fn lone_quote(input: &mut Input<'_>) -> ModalResult<()> {
    if input.starts_with(['\'', '"']) {
        return fail("a closing quote somewhere behind this one", None);
    }
    Err(ErrMode::Backtrack(ContextError::new()))
}

fn codec_type(input: &mut Input<'_>) -> ModalResult<String> {
    if !input.starts_with('<') {
        return Err(ErrMode::Backtrack(ContextError::new()));
    }
    let start: &str = input;
    literal("<").parse_next(input)?;
    let inside = take_till(0.., '>').parse_next(input)?;
    if inside.is_empty() {
        return fail("a codec", Some("write `<name>`, `<name@>` or `<name@store>`"));
    }
    if input.is_empty() {
        return fail("`>`", None);
    }
    literal(">").parse_next(input)?;
    let text = &start[..inside.len() + 2];
    blank(input)?;
    if !input.is_empty() && !input.starts_with('#') {
        return fail("a comment with `#`, or nothing more, after a codec", None);
    }
    Ok(text.to_owned())
}

fn plain_type(input: &mut Input<'_>) -> ModalResult<String> {
    if !input.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return fail("a type", Some("the default stands before the colon, in quotes if it holds a colon itself"));
    }
    outside_quotes('#').take().map(|text: &str| text.trim_end().to_owned()).parse_next(input)
}

fn comment(input: &mut Input<'_>) -> ModalResult<String> {
    if input.is_empty() {
        return Ok(String::new());
    }
    (literal("#"), blank).context(expected("a comment with `#`, or nothing more")).parse_next(input)?;
    if input.starts_with(':') {
        return fail("a comment that does not begin with a colon", None);
    }
    rest.map(|text: &str| text.trim_end_matches('#').trim().to_owned()).parse_next(input)
}

/// `-> [options] Reference # comment`.
pub(super) fn foreign_key(input: &mut Input<'_>) -> ModalResult<ForeignKeyLine> {
    (literal("->"), blank).parse_next(input)?;
    let options = match opt((literal("["), blank)).parse_next(input)? {
        Some(_) => terminated(options, (blank, literal("]")).context(expected("`,` and another option, or `]`")))
            .parse_next(input)?,
        None => ForeignKeyOptions::default(),
    };
    blank(input)?;
    let reference = reference(input)?;
    blank(input)?;
    alt((eof.void(), (literal("#"), rest).void()))
        .context(expected("a comment with `#`, or nothing more, after the reference"))
        .context(StrContext::Label("a foreign key refers to a table or to `Table.proj(new='old')`"))
        .parse_next(input)?;
    Ok(ForeignKeyLine { options, reference })
}

fn options(input: &mut Input<'_>) -> ModalResult<ForeignKeyOptions> {
    let mut options = ForeignKeyOptions::default();
    loop {
        let word = take_while(0.., |c: char| c.is_ascii_alphabetic()).parse_peek(*input)?.1;
        match word.to_ascii_lowercase().as_str() {
            "nullable" => options.nullable = true,
            "unique" => options.unique = true,
            _ => return fail("`nullable` or `unique`", None),
        }
        literal(word).parse_next(input)?;
        if opt((blank, literal(","), blank)).parse_next(input)?.is_none() {
            return Ok(options);
        }
    }
}

fn reference(input: &mut Input<'_>) -> ModalResult<Reference> {
    let mut path = step(input)?;
    let mut renames = Vec::new();
    loop {
        if opt((blank, literal("."), blank)).parse_next(input)?.is_some() {
            if opt((literal("proj"), blank, literal("("), blank)).parse_next(input)?.is_some() {
                renames = projection(input)?;
                return Ok(Reference { path, renames });
            }
            path.push('.');
            path.push_str(&step(input)?);
        } else if opt((blank, literal("("), blank)).parse_next(input)?.is_some() {
            literal(")").context(expected("`)`")).parse_next(input)?;
            if opt((blank, literal("."), blank, literal("proj"), blank, literal("("), blank))
                .parse_next(input)?
                .is_some()
            {
                renames = projection(input)?;
            }
            return Ok(Reference { path, renames });
        } else {
            return Ok(Reference { path, renames });
        }
    }
}

/// One name of a dotted path; quoted ones keep backticks as quotes.
fn step(input: &mut Input<'_>) -> ModalResult<String> {
    let quoted = |quote: char| {
        delimited(quote, take_while(1.., move |c: char| c != '`' && c != '"' && !c.is_control()), quote)
            .map(|name: &str| format!("`{name}`"))
    };
    let plain =
        (one_of(|c: char| c.is_alphabetic() || c == '_'), take_while(0.., |c: char| c.is_alphanumeric() || c == '_'))
            .take()
            .map(|name: &str| name.to_owned());
    alt((quoted('`'), quoted('"'), plain)).context(expected("a table")).parse_next(input)
}

/// What stands behind `.proj(`, up to its `)`.
fn projection(input: &mut Input<'_>) -> ModalResult<Vec<(String, String)>> {
    let rename = (
        terminated(attribute_name, (blank, literal("="), blank).context(expected("`=` and a name in quotes"))),
        quoted_name,
    );
    // Secondary attributes take no part in a foreign key, so it does not matter whether they are kept.
    let kept = alt((literal("...").void(), quoted_stretch.void()));
    let argument = alt((kept.map(|()| None), rename.map(Some)));
    let arguments: Vec<Option<(String, String)>> =
        separated(0.., argument, (blank, literal(","), blank)).parse_next(input)?;
    opt((blank, literal(","))).parse_next(input)?;
    preceded(blank, literal(")")).context(expected("`new='old'` or `)`")).parse_next(input)?;
    Ok(arguments.into_iter().flatten().collect())
}

fn quoted_name(input: &mut Input<'_>) -> ModalResult<String> {
    let quote = input.chars().next().filter(|c| matches!(c, '\'' | '"'));
    let Some(quote) = quote else { return fail("the old name in quotes", None) };
    delimited(quote, attribute_name, literal(quote).context(expected("the closing quote"))).parse_next(input)
}

/// True if the line can only be an index: no attribute has a parenthesis behind its name.
pub(super) fn is_index(line: &str) -> bool {
    index_head(line).is_some()
}

/// Whether it is unique, and where the first parenthesis stands.
fn index_head(line: &str) -> Option<(bool, usize)> {
    let strip = |text: &'_ str, word: &str| -> Option<usize> {
        text.get(..word.len()).filter(|start| start.eq_ignore_ascii_case(word)).map(|start| start.len())
    };
    let (unique, start) = match strip(line, "unique") {
        Some(end) if line[end..].starts_with(char::is_whitespace) => {
            (true, line.len() - line[end..].trim_start().len())
        }
        _ => (false, 0),
    };
    let end = start + strip(&line[start..], "index")?;
    let rest = line[end..].trim_start();
    rest.starts_with('(').then(|| (unique, line.len() - rest.len()))
}

/// `[unique] index (argument, ...) # comment`.
pub(super) fn index(line: &str) -> Result<IndexLine, Fault> {
    let text = line.split('#').next().unwrap_or(line).trim_end();
    let Some((unique, open)) = index_head(text) else {
        return Err(Fault::new(0, "expected an index"));
    };
    let Some(close) = text.rfind(')') else {
        return Err(Fault::new(text.len(), "expected `)`"));
    };
    let behind = text[close + 1..].trim_start();
    if !behind.is_empty() {
        return Err(Fault::new(text.len() - behind.len(), "expected a comment with `#`, or nothing more"));
    }
    let arguments = split_arguments(&text[open + 1..close]);
    if arguments.is_empty() {
        return Err(Fault::new(close, "expected an attribute to index"));
    }
    Ok(IndexLine { unique, arguments })
}

/// The parts between commas that stand outside parentheses, without blanks; empty ones are left out.
pub(crate) fn split_arguments(text: &str) -> Vec<String> {
    let mut depth = 0i32;
    text.split(|c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth <= 0
    })
    .map(str::trim)
    .filter(|argument| !argument.is_empty())
    .map(str::to_owned)
    .collect()
}
