//! From text to [`Definition`]: which line is what.

use lodestore_types::Result;
use winnow::Parser;
use winnow::error::{ContextError, ParseError, StrContext, StrContextValue};
use winnow::stream::LocatingSlice;

use super::report::Fault;
use super::{Definition, Item, line};

impl Definition {
    /// Reads a table definition.
    ///
    /// # Errors
    /// [`InvalidDefinition`](lodestore_types::ErrorKind::InvalidDefinition), with `line` and `column` as context and
    /// a message that shows the line, points at the place and says what was expected.
    pub fn parse(text: &str) -> Result<Self> {
        Definition::parse_lines(text, item)
    }

    /// Like [`Definition::parse`], with what definitions for DataJoint before 2.0 write in other ways: `____` as divider
    /// and `(new_name) -> Parent`.
    ///
    /// # Errors
    /// As [`Definition::parse`].
    pub fn parse_older(text: &str) -> Result<Self> {
        Definition::parse_lines(text, |line| match older_item(line)? {
            Some(found) => Ok(Some(found)),
            None => item(line),
        })
    }

    fn parse_lines(text: &str, item: impl Fn(&str) -> Result<Option<Item>, Fault>) -> Result<Self> {
        let mut definition = Definition::default();
        let mut first = true;
        for (index, raw) in text.split('\n').enumerate() {
            let line = raw.trim();
            if line.is_empty() {
                continue;
            }
            let indent = raw.len() - raw.trim_start().len();
            let parsed = if std::mem::take(&mut first) && line.starts_with('#') {
                table_comment(line).map(|comment| {
                    definition.comment = comment;
                    None
                })
            } else {
                item(line)
            };
            match parsed {
                Ok(found) => definition.items.extend(found),
                Err(mut fault) => {
                    fault.at += indent;
                    return Err(fault.into_error(raw.trim_end(), index + 1));
                }
            }
        }
        Ok(definition)
    }
}

fn table_comment(line: &str) -> Result<String, Fault> {
    let comment = line[1..].trim();
    if comment.starts_with(':') {
        return Err(Fault::new(line.len() - line[1..].trim_start().len(), "a table comment cannot begin with a colon"));
    }
    Ok(comment.to_owned())
}

/// One trimmed line that is not empty; `None` for a comment.
fn item(line: &str) -> Result<Option<Item>, Fault> {
    if line.starts_with('#') {
        return Ok(None);
    }
    if line.starts_with("---") {
        return Ok(Some(Item::Divider));
    }
    if let Some(arrow) = line.find("->").filter(|at| !line[..*at].contains(['"', '\'', '#'])) {
        if arrow > 0 {
            return Err(Fault::new(0, "expected a foreign key to begin with `->`")
                .hint("a foreign key stands on a line of its own: `-> Parent`"));
        }
        return run(line::foreign_key, line).map(|key| Some(Item::ForeignKey(key)));
    }
    if line::is_index(line) {
        return line::index(line).map(|index| Some(Item::Index(index)));
    }
    if line.starts_with('_') {
        return Err(Fault::new(0, "expected a name that does not begin with an underscore")
            .hint("names with a leading underscore are reserved for attributes that the system manages"));
    }
    run(line::attribute, line).map(|attribute| Some(Item::Attribute(attribute)))
}

/// A line in a way that is written otherwise today; `None` for all others.
fn older_item(line: &str) -> Result<Option<Item>, Fault> {
    if line.starts_with("___") {
        return Ok(Some(Item::Divider));
    }
    let Some((names, key)) = line.strip_prefix('(').and_then(|rest| rest.split_once(')')) else { return Ok(None) };
    if !key.trim_start().starts_with("->") {
        return Ok(None);
    }
    let begin = line.len() - key.trim_start().len();
    // The names of the parent's attributes may stand in parentheses behind it; else they are found by the parent's key.
    let bare = key.split('#').next().unwrap_or_default().trim();
    let (bare, olds) = match bare.strip_suffix(')').and_then(|bare| bare.split_once('(')) {
        Some((bare, olds)) => (bare, words(olds)),
        None => (bare, Vec::new()),
    };
    let mut key = run(line::foreign_key, bare.trim()).map_err(|mut fault| {
        fault.at += begin;
        fault
    })?;
    let news = words(names);
    if !olds.is_empty() && olds.len() != news.len() {
        return Err(Fault::new(0, "expected as many new names as names of the parent's attributes"));
    }
    let olds = olds.into_iter().chain(std::iter::repeat_with(String::new));
    key.reference.renames = news.into_iter().zip(olds).collect();
    Ok(Some(Item::ForeignKey(key)))
}

fn words(text: &str) -> Vec<String> {
    text.split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
}

fn run<'a, T>(mut parser: impl Parser<line::Input<'a>, T, line::Failure>, text: &'a str) -> Result<T, Fault> {
    parser.parse(LocatingSlice::new(text)).map_err(|error| fault(&error))
}

/// What the parser expected where it stopped.
fn fault(error: &ParseError<line::Input<'_>, ContextError>) -> Fault {
    let mut expected: Option<&'static str> = None;
    let mut hint = None;
    for context in error.inner().context() {
        match context {
            StrContext::Expected(StrContextValue::Description(what)) => expected = expected.or(Some(what)),
            StrContext::Label(what) => hint = hint.or(Some(*what)),
            _ => {}
        }
    }
    let message = format!("expected {}", expected.unwrap_or("nothing more"));
    Fault { at: error.offset(), message, hint }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{AttributeLine, DefaultText, ForeignKeyLine, ForeignKeyOptions, IndexLine, Reference};

    fn one(line: &str) -> Item {
        let mut items = Definition::parse(line).unwrap_or_else(|error| panic!("{line}: {error}")).items;
        assert_eq!(items.len(), 1, "{line}");
        items.remove(0)
    }

    fn attribute(name: &str, default: Option<DefaultText>, type_text: &str, comment: &str) -> Item {
        Item::Attribute(AttributeLine {
            name: name.into(),
            default,
            type_text: type_text.into(),
            comment: comment.into(),
        })
    }

    fn literal(text: &str) -> Option<DefaultText> {
        Some(DefaultText::Literal(text.into()))
    }

    #[test]
    fn older_lines_are_read_where_that_is_asked_for() {
        let text = "(a, b) -> [nullable] lab.P  # c\n____\n(c) -> P(d)\n-> P";
        assert!(Definition::parse(text).is_err());
        let key = |nullable, path: &str, renames: &[(&str, &str)]| {
            Item::ForeignKey(ForeignKeyLine {
                options: ForeignKeyOptions { nullable, unique: false },
                reference: Reference {
                    path: path.into(),
                    renames: renames.iter().map(|(new, old)| ((*new).to_owned(), (*old).to_owned())).collect(),
                },
            })
        };
        let expected = [
            key(true, "lab.P", &[("a", ""), ("b", "")]),
            Item::Divider,
            key(false, "P", &[("c", "d")]),
            key(false, "P", &[]),
        ];
        assert_eq!(Definition::parse_older(text).unwrap().items, expected);
        assert!(Definition::parse_older("(a, b) -> P(c)").is_err());
        assert!(Definition::parse_older("(a) -> ").is_err());
    }

    #[test]
    fn attributes_are_read() {
        assert_eq!(one("a:int32#c"), attribute("a", None, "int32", "c"));
        assert_eq!(
            one("a_1 = 5 : decimal(10, 2) # one: # two ##"),
            attribute("a_1", literal("5"), "decimal(10, 2)", "one: # two")
        );
        assert_eq!(one("a= : int32"), attribute("a", None, "int32", ""));
        assert_eq!(one("a = NULL : < blob @ cold >"), attribute("a", Some(DefaultText::Null), "< blob @ cold >", ""));
        assert_eq!(one("a='x:y#z' : varchar(9)"), attribute("a", literal("x:y#z"), "varchar(9)", ""));
        assert_eq!(one("a='it''s' : varchar(9)"), attribute("a", literal("it's"), "varchar(9)", ""));
        assert_eq!(one("a=\"it's\" : varchar(9)"), attribute("a", literal("it's"), "varchar(9)", ""));
        assert_eq!(one("a=\"\" : varchar(9)"), attribute("a", literal(""), "varchar(9)", ""));
        assert_eq!(one("a=\"->\" : varchar(9)"), attribute("a", literal("->"), "varchar(9)", ""));
        assert_eq!(one("a=2020-01-01 : date"), attribute("a", literal("2020-01-01"), "date", ""));
        assert_eq!(one("a=current_timestamp : datetime"), attribute("a", Some(DefaultText::Now(None)), "datetime", ""));
        assert_eq!(
            one("a=CURRENT_TIMESTAMP(3) : datetime(3)"),
            attribute("a", Some(DefaultText::Now(Some(3))), "datetime(3)", "")
        );
        assert_eq!(one("a : enum('#1','b') # c"), attribute("a", None, "enum('#1','b')", "c"));
        assert_eq!(one("index : int8"), attribute("index", None, "int8", ""));
        assert_eq!(one("a : int unsigned auto_increment"), attribute("a", None, "int unsigned auto_increment", ""));
        assert_eq!(one("a : int8 # see -> b"), attribute("a", None, "int8", "see -> b"));
    }

    #[test]
    fn foreign_keys_are_read() {
        let key = |path: &str, nullable, unique, renames: &[(&str, &str)]| {
            Item::ForeignKey(ForeignKeyLine {
                options: ForeignKeyOptions { nullable, unique },
                reference: Reference {
                    path: path.into(),
                    renames: renames.iter().map(|(new, old)| ((*new).into(), (*old).into())).collect(),
                },
            })
        };
        assert_eq!(one("-> Subject"), key("Subject", false, false, &[]));
        assert_eq!(one("->[UNIQUE,Nullable]lab.Scan.Roi # comment"), key("lab.Scan.Roi", true, true, &[]));
        assert_eq!(one("-> Subject()"), key("Subject", false, false, &[]));
        assert_eq!(one("-> Subject().proj()"), key("Subject", false, false, &[]));
        assert_eq!(
            one("-> Subject.proj( mother = 'subject_id' , x=\"y\", )"),
            key("Subject", false, false, &[("mother", "subject_id"), ("x", "y")])
        );
        assert_eq!(one("-> Subject.proj(..., 'a', m='id')"), key("Subject", false, false, &[("m", "id")]));
        assert_eq!(one("-> `lab`.`#method`"), key("`lab`.`#method`", false, false, &[]));
        assert_eq!(one("-> \"lab\".\"#method\""), key("`lab`.`#method`", false, false, &[]));
    }

    #[test]
    fn indexes_are_read() {
        let index = |unique, arguments: &[&str]| {
            Item::Index(IndexLine { unique, arguments: arguments.iter().map(|text| (*text).to_owned()).collect() })
        };
        assert_eq!(one("index(a)"), index(false, &["a"]));
        assert_eq!(one("UNIQUE  Index (a, (f(b, c)),) # comment"), index(true, &["a", "(f(b, c))"]));
    }

    #[test]
    fn the_frame_is_read() {
        let definition = Definition::parse("\r\n  ## x \r\n\r\n a:int8\n----- text\n # later\n b:int8 \n---").unwrap();
        assert_eq!(definition.comment, "# x");
        assert_eq!(definition.items.len(), 4);
        assert_eq!(definition.items[1], Item::Divider);
        assert_eq!(Definition::parse("").unwrap(), Definition::default());
        assert_eq!(Definition::parse("a:int8\n# no table comment").unwrap().comment, "");
    }

    #[test]
    fn errors_point_at_the_place() {
        let cases = [
            ("b : int32 = 1\nA : int8", 2, 1, "an attribute name"),
            ("a int8", 1, 3, "`:` and a type"),
            ("a = 5", 1, 6, "`:` and a type"),
            ("a : ", 1, 4, "a type"),
            ("a : 3", 1, 5, "a type"),
            ("a : <blob> x", 1, 12, "a comment"),
            ("a : <blob", 1, 10, "`>`"),
            ("a : <>", 1, 6, "a codec"),
            ("a = 'x : int8", 1, 5, "quote"),
            ("a = 'x'y : int8", 1, 5, "default"),
            ("_a : int8", 1, 1, "underscore"),
            ("a : int8 #: x", 1, 11, "colon"),
            ("# :x", 1, 3, "colon"),
            ("a -> P", 1, 1, "foreign key"),
            ("->", 1, 3, "a table"),
            ("-> [nullable, big] P", 1, 15, "`nullable` or `unique`"),
            ("-> [] P", 1, 5, "`nullable` or `unique`"),
            ("-> P & 'x'", 1, 6, "a comment"),
            ("-> P.proj(a=b)", 1, 13, "quote"),
            ("index()", 1, 7, "an attribute"),
            ("index(a) b", 1, 10, "nothing"),
            ("index(a", 1, 8, "`)`"),
            ("index x", 1, 7, "`:` and a type"),
            ("--", 1, 1, "an attribute name"),
        ];
        for (text, line, column, expected) in cases {
            let error = Definition::parse(text).expect_err(text);
            let context: Vec<(&str, String)> = error.context().map(|(key, value)| (key, value.to_owned())).collect();
            assert_eq!(context, [("line", line.to_string()), ("column", column.to_string())], "{text}: {error}");
            assert!(error.message().contains(expected), "{text}: {error}");
        }
        let error = Definition::parse("# t\n   weight float32").unwrap_err();
        assert_eq!(
            error.message(),
            "the definition does not parse: expected `:` and a type\n  \
             |\n2 |    weight float32\n  |           ^ expected `:` and a type"
        );
    }
}
