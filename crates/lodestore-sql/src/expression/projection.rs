//! What a projection keeps, renames and computes.

use lodestore_types::{CoreType, Error, ErrorKind, MEAN_DIGITS, Result};

use super::sql_text::SqlText;
use crate::dialect::JsonPath;
use crate::{Attribute, AttributeType, DefaultValue, Heading};

/// What a projection keeps, removes, renames and computes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Projection {
    /// Names to keep, `...` for all, `-name` to remove one.
    pub attributes: Vec<String>,
    /// New name and source: an attribute (rename), `(attribute)` (duplicate), a path into a JSON attribute, or an SQL
    /// expression.
    pub named: Vec<(String, String)>,
}

/// A column of a projection and where it comes from.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub name: String,
    pub source: Source,
}

#[derive(Debug, Clone)]
pub(super) enum Source {
    Attribute(String),
    Path {
        attribute: String,
        path: String,
        as_type: Option<String>,
    },
    /// SQL, and the type of the attribute if all of it is a function of one.
    Sql(SqlText, Option<CoreType>),
}

impl Projection {
    /// Keeps these attributes (and those of the key).
    pub fn keep<S: Into<String>>(attributes: impl IntoIterator<Item = S>) -> Self {
        Projection { attributes: attributes.into_iter().map(Into::into).collect(), named: Vec::new() }
    }

    /// Adds a renamed or computed attribute.
    pub fn with(mut self, name: impl Into<String>, source: impl Into<String>) -> Self {
        self.named.push((name.into(), source.into()));
        self
    }

    /// The columns, and the heading they make, for a projection of single rows.
    pub(super) fn resolve_rows(&self, heading: &Heading) -> Result<(Vec<Column>, Heading)> {
        let resolved = self.resolve(heading, heading)?;
        for column in &resolved.0 {
            if let Source::Sql(sql, _) = &column.source
                && let Some(function) = sql.aggregate()
            {
                let message = format!("`{function}` takes many rows to one, and a projection keeps its rows");
                return Err(invalid(message)
                    .with("attribute", &column.name)
                    .with_hint("use `aggr`, or a window: `over (...)`"));
            }
        }
        Ok(resolved)
    }

    /// The columns, and the heading they make. Names in SQL are looked up in `scope`, all others in `heading`.
    pub(super) fn resolve(&self, heading: &Heading, scope: &Heading) -> Result<(Vec<Column>, Heading)> {
        let named = self
            .named
            .iter()
            .map(|(name, source)| {
                check_name(name)?;
                let source = Named::read(source, heading, scope).map_err(|error| error.with("attribute", name))?;
                Ok((name.clone(), source))
            })
            .collect::<Result<Vec<_>>>()?;
        let kept = self.kept(heading, &named)?;
        let mut columns = Vec::new();
        let mut attributes: Vec<Attribute> = Vec::new();
        let mut add = |column: Column, attribute: Attribute| match attributes.iter().any(|a| a.name == attribute.name) {
            true => Err(invalid(format!("two attributes would be named `{}`", attribute.name))
                .with_hint("choose another name, or leave the one of that name out")),
            false => {
                columns.push(column);
                attributes.push(attribute);
                Ok(())
            }
        };
        for attribute in heading.visible() {
            let source = || Source::Attribute(attribute.name.clone());
            if kept.contains(&attribute.name.as_str()) {
                let mut same = attribute.clone();
                same.expression = None;
                add(Column { name: attribute.name.clone(), source: source() }, same)?;
            }
            for (name, named) in &named {
                if named.attribute() == Some(&attribute.name) {
                    let mut renamed = attribute.clone();
                    renamed.name = name.clone();
                    renamed.expression = Some(attribute.name.clone());
                    add(Column { name: name.clone(), source: source() }, renamed)?;
                }
            }
        }
        for ((name, named), (_, text)) in named.iter().zip(&self.named) {
            if let Named::Computed(source) = named {
                let attribute = computed(name, text, source);
                add(Column { name: name.clone(), source: source.clone() }, attribute)?;
            }
        }
        // Key attributes come first, each group in its order.
        let key = |index: &usize| !attributes[*index].in_key;
        let mut order: Vec<usize> = (0..columns.len()).collect();
        order.sort_by_key(key);
        let columns = order.iter().map(|index| columns[*index].clone()).collect();
        let attributes = order.iter().map(|index| attributes[*index].clone()).collect();
        Ok((columns, Heading { table: heading.table.clone(), comment: String::new(), attributes, indexes: Vec::new() }))
    }

    /// The attributes that keep their name.
    fn kept<'a>(&self, heading: &'a Heading, named: &[(String, Named)]) -> Result<Vec<&'a str>> {
        let mut removed = Vec::new();
        let mut wanted = Vec::new();
        let mut everything = false;
        for name in &self.attributes {
            if name == "..." {
                everything = true;
            } else if let Some(name) = name.strip_prefix('-') {
                let name = name.trim();
                if heading.get(name).is_some_and(|attribute| attribute.in_key) {
                    return Err(invalid(format!("`{name}` belongs to the key and cannot be removed"))
                        .with_hint("key attributes can be renamed: `new_name='old_name'`"));
                }
                removed.push(name);
            } else {
                wanted.push(heading.attribute(name)?.name.as_str());
            }
        }
        let renamed = |name: &str| {
            named.iter().any(|(_, named)| matches!(named, Named::Rename(old) if old == name)) && !wanted.contains(&name)
        };
        Ok(heading
            .visible()
            .filter(|attribute| {
                let name = attribute.name.as_str();
                (attribute.in_key || everything || wanted.contains(&name)) && !renamed(name) && !removed.contains(&name)
            })
            .map(|attribute| attribute.name.as_str())
            .collect())
    }
}

/// Results may have names that tables may not, such as `N` or `mean rate`. A leading underscore would hide the attribute.
fn check_name(name: &str) -> Result<()> {
    if name.trim().is_empty() || name.len() > 64 || name.starts_with('_') || name.contains(char::is_control) {
        return Err(Error::new(ErrorKind::InvalidName, format!("`{}` cannot name an attribute", name.escape_debug())));
    }
    Ok(())
}

/// The value of a named argument.
enum Named {
    Rename(String),
    Duplicate(String),
    Computed(Source),
}

impl Named {
    fn read(text: &str, heading: &Heading, scope: &Heading) -> Result<Named> {
        let bare = text.trim();
        if is_identifier(bare) && !is_constant(bare, heading) {
            return heading.attribute(bare).map(|attribute| Named::Rename(attribute.name.clone()));
        }
        let inside = bare.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).map(str::trim);
        if let Some(name) = inside.filter(|name| is_identifier(name) && !is_constant(name, heading)) {
            return heading.attribute(name).map(|attribute| Named::Duplicate(attribute.name.clone()));
        }
        if let Some(path) = JsonPath::parse(bare)
            && scope.get(path.attribute).is_some_and(|attribute| attribute.kind.core == CoreType::Json)
        {
            return Ok(Named::Computed(Source::Path {
                attribute: path.attribute.to_owned(),
                path: path.path.to_owned(),
                as_type: path.as_type.map(str::to_owned),
            }));
        }
        let sql = SqlText::scan(bare, scope)?;
        let over = sql.as_call().and_then(|(_, argument)| plain_type(argument?, scope)).cloned();
        Ok(Named::Computed(Source::Sql(sql, over)))
    }

    fn attribute(&self) -> Option<&String> {
        match self {
            Named::Rename(name) | Named::Duplicate(name) => Some(name),
            Named::Computed(_) => None,
        }
    }
}

fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// True for words that stand for a value in SQL, in capitals so that a misspelt name is not taken for one. Hidden
/// attributes are values too: they can be computed with, not renamed.
fn is_constant(text: &str, heading: &Heading) -> bool {
    const CONSTANTS: &[&str] = &["NULL", "TRUE", "FALSE", "CURRENT_TIMESTAMP", "CURRENT_DATE", "CURRENT_TIME"];
    (CONSTANTS.contains(&text) && heading.get(text).is_none())
        || heading.get_any(text).is_some_and(|attribute| attribute.hidden)
}

fn computed(name: &str, text: &str, source: &Source) -> Attribute {
    let kind = match source {
        Source::Sql(sql, over) => infer(sql, over.as_ref()),
        Source::Path { path, .. } if path.contains('*') => Some(CoreType::Json),
        _ => None,
    };
    Attribute {
        name: name.to_owned(),
        kind: kind.map_or_else(AttributeType::expression, |core| AttributeType {
            declared: "expression".to_owned(),
            core,
            codec: None,
            native: None,
        }),
        in_key: false,
        nullable: true,
        default: Some(DefaultValue::Null),
        autoincrement: false,
        comment: "calculated attribute".to_owned(),
        hidden: false,
        lineage: None,
        expression: Some(text.trim().to_owned()),
    }
}

/// The type of an attribute that SQL can compute with.
fn plain_type<'a>(name: &str, scope: &'a Heading) -> Option<&'a CoreType> {
    scope.get_any(name).filter(|attribute| attribute.kind.codec.is_none()).and_then(Attribute::stored_as)
}

/// The type of a computed attribute, where it is plain.
fn infer(sql: &SqlText, over: Option<&CoreType>) -> Option<CoreType> {
    let (function, _) = sql.as_call()?;
    match (function.to_ascii_lowercase().as_str(), over) {
        ("count", _) => Some(CoreType::Int64),
        ("min" | "max", Some(core)) => Some(core.clone()),
        ("avg", Some(CoreType::Decimal { scale, .. })) => {
            Some(CoreType::Decimal { precision: 65, scale: scale + MEAN_DIGITS })
        }
        ("avg", Some(core)) if core.is_numeric() => Some(CoreType::Float64),
        ("sum", Some(core)) if core.integer_range().is_some() || *core == CoreType::Bool => Some(CoreType::Int64),
        ("sum", Some(CoreType::Float32 | CoreType::Float64)) => Some(CoreType::Float64),
        ("sum", Some(CoreType::Decimal { scale, .. })) => Some(CoreType::Decimal { precision: 65, scale: *scale }),
        _ => None,
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}
