//! The recorded schema in a database, and what Python expressions over it come to.

use std::collections::HashMap;
use std::sync::Arc;

use lodestore_sql::{
    Condition, Dialect, Expression, Heading, JoinKind, JoinOptions, Matching, Projection, Sqlite, Top, Universal,
    Unmatched,
};
use lodestore_types::{Decimal, FullTableName, TableName, Tier, Uuid, Value, parse_date, parse_datetime};
use serde_json::Value as Json;

use crate::canonical::{canonical_value, from_json};
use crate::database::Database;
use crate::python::{Python, parse};

/// What an expression comes to.
#[derive(Clone)]
pub enum Outcome {
    Expression(Expression),
    Universal(Universal),
    Value(Value),
    Condition(Condition),
    Top(Top),
    List(Vec<Outcome>),
    Number(i64),
    Flag(bool),
    Dicts(Vec<Vec<(String, Value)>>),
    Ellipsis,
}

/// Why an expression has no outcome.
pub enum Failure {
    /// It is refused, here or by the database.
    Refused(String),
    /// This test cannot evaluate it.
    Skipped(String),
}

impl From<lodestore_types::Error> for Failure {
    fn from(error: lodestore_types::Error) -> Self {
        Failure::Refused(format!("{error:?}"))
    }
}

pub type Evaluated = Result<Outcome, Failure>;

pub fn skip<T>(what: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Skipped(what.into()))
}

pub fn refuse<T>(what: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Refused(what.into()))
}

pub struct World {
    pub database: Database,
    tables: HashMap<String, Arc<Heading>>,
}

impl World {
    pub fn new(schema: &Json) -> World {
        let mut world = World { database: Database::new("gold"), tables: HashMap::new() };
        for table in schema["tables"].as_array().unwrap() {
            let class = table["class"].as_str().unwrap();
            let tier = [Tier::Manual, Tier::Lookup, Tier::Imported, Tier::Computed]
                .into_iter()
                .find(|tier| tier.class_name() == table["tier"])
                .unwrap();
            let name = TableName::from_class(class, tier).unwrap();
            world.add(class, name.clone(), table);
            for part in table["parts"].as_array().unwrap_or(&Vec::new()) {
                let part_class = part["class"].as_str().unwrap();
                let master = world.tables[class].clone();
                world.tables.insert("master".into(), master);
                world.add(&format!("{class}.{part_class}"), name.part(part_class).unwrap(), part);
            }
        }
        world
    }

    pub fn add(&mut self, class: &str, name: TableName, table: &Json) {
        let full = FullTableName::parse(&format!("gold.{name}")).unwrap();
        let tables = self.tables.clone();
        let parent = |reference: &lodestore_sql::definition::Reference| Ok(tables[&reference.path].clone());
        self.database.declare(&full, table["definition"].as_str().unwrap(), &parent);
        let heading = self.database.heading(&full);
        for row in table["rows"].as_array().unwrap() {
            let row = row.as_object().unwrap().iter();
            let values = row.map(|(name, value)| {
                let attribute = heading.attribute(name).unwrap();
                let blob = attribute.kind.codec.is_some() && !value.is_null();
                (name.as_str(), if blob { Value::from(vec![1u8]) } else { from_json(value, &attribute.kind.core) })
            });
            self.database.insert(&heading, values.collect());
        }
        self.tables.insert(class.to_owned(), Arc::new(heading));
    }

    pub fn evaluate(&self, python: &Python) -> Evaluated {
        Ok(match python {
            Python::Name(name) => match name.as_str() {
                "True" => Outcome::Flag(true),
                "False" => Outcome::Flag(false),
                "None" => Outcome::Value(Value::Null),
                name => match self.tables.get(name) {
                    Some(heading) => Outcome::Expression(Expression::table(heading.clone())?),
                    None => return skip(format!("name {name}")),
                },
            },
            Python::Int(number) => Outcome::Value((*number).into()),
            Python::Float(number) => Outcome::Value((*number).into()),
            Python::Text(text) => Outcome::Value(text.as_str().into()),
            Python::Bytes(bytes) => Outcome::Value(bytes.clone().into()),
            Python::Ellipsis => Outcome::Ellipsis,
            Python::List(items) | Python::Tuple(items) | Python::Set(items) => {
                Outcome::List(items.iter().map(|item| self.evaluate(item)).collect::<Result<_, _>>()?)
            }
            Python::Dict(items) => {
                let items = items.iter().map(|(name, value)| {
                    let Python::Text(name) = name else { return skip("a key") };
                    Ok((name.clone(), self.value(value)?))
                });
                Outcome::Condition(Condition::Map(items.collect::<Result<_, _>>()?))
            }
            Python::Member(object, name) => match &**object {
                Python::Name(class) if self.tables.contains_key(&format!("{class}.{name}")) => {
                    Outcome::Expression(Expression::table(self.tables[&format!("{class}.{name}")].clone())?)
                }
                _ => return skip(format!("member {name}")),
            },
            Python::Unary('-', inner) => match self.evaluate(inner)? {
                Outcome::Value(Value::Int(number)) => Outcome::Value((-number).into()),
                Outcome::Expression(expression) => Outcome::Condition(not(expression.into())),
                Outcome::Condition(condition) => Outcome::Condition(not(condition)),
                _ => return skip("minus"),
            },
            Python::Unary(..) => return refuse("no such operator"),
            Python::Binary(operator, left, right) => self.binary(operator, left, right)?,
            Python::Call(callee, positional, named) => self.call(callee, positional, named)?,
        })
    }

    pub fn value(&self, python: &Python) -> Result<Value, Failure> {
        if let Python::Dict(items) = python {
            let items = items.iter().map(|(name, value)| Ok((self.value(name)?, self.value(value)?)));
            return Ok(Value::Dict(items.collect::<Result<_, Failure>>()?));
        }
        match self.evaluate(python)? {
            Outcome::Value(value) => Ok(value),
            Outcome::Flag(flag) => Ok(flag.into()),
            Outcome::List(_) => match python {
                Python::List(items) | Python::Tuple(items) | Python::Set(items) => {
                    Ok(Value::List(items.iter().map(|item| self.value(item)).collect::<Result<_, _>>()?))
                }
                _ => skip("a list"),
            },
            _ => skip("a value"),
        }
    }

    pub fn binary(&self, operator: &str, left: &Python, right: &Python) -> Evaluated {
        let (left, right) = (self.evaluate(left)?, self.evaluate(right)?);
        Ok(match (operator, left, right) {
            ("&", Outcome::Expression(left), Outcome::Top(top)) => Outcome::Expression(left.top(&top)?),
            ("&", Outcome::Expression(left), right) => Outcome::Expression(left.restrict(&condition(right)?)?),
            ("-", Outcome::Expression(left), right) => Outcome::Expression(left.restrict(&not(condition(right)?))?),
            ("*", Outcome::Expression(left), Outcome::Expression(right)) => Outcome::Expression(left.join(&right)?),
            ("+", Outcome::Expression(left), Outcome::Expression(right)) => Outcome::Expression(left.union(&right)?),
            ("&", Outcome::Universal(set), Outcome::Expression(right)) => Outcome::Expression(set.of(&right)?),
            ("in", left, Outcome::Expression(right)) => {
                Outcome::Flag(self.exists(&right.restrict(&condition(left)?)?)?)
            }
            _ => return refuse("no such operation"),
        })
    }

    pub fn call(&self, callee: &Python, positional: &[Python], named: &[(String, Python)]) -> Evaluated {
        let first =
            || positional.first().map_or_else(|| refuse("an argument is missing"), |first| self.evaluate(first));
        let text = |python: &Python| match self.evaluate(python)? {
            Outcome::Value(Value::Text(text)) => Ok(text),
            _ => refuse("text was expected"),
        };
        let numbers = || -> Result<Vec<i64>, Failure> {
            positional.iter().map(|n| self.value(n)?.as_i64().map_or_else(|| skip("a number"), Ok)).collect()
        };
        let name = match callee {
            Python::Name(name) => name.clone(),
            Python::Member(object, name) => match &**object {
                Python::Name(module) if module == "dj" => format!("dj.{name}"),
                Python::Name(module) if module == "datetime" => name.clone(),
                Python::Name(module) if module == "np" => match name.as_str() {
                    "int64" | "int16" | "float64" | "str_" => return first(),
                    _ => return skip("numpy"),
                },
                Python::Name(module) if module == "pd" => return skip("pandas"),
                _ => return self.method(object, name, positional, named),
            },
            _ => return skip("a call"),
        };
        Ok(match name.as_str() {
            class if self.tables.contains_key(class) => self.evaluate(&Python::Name(class.into()))?,
            "date" => {
                let n = numbers()?;
                Outcome::Value(parse_date(&format!("{:04}-{:02}-{:02}", n[0], n[1], n[2]))?.into())
            }
            "datetime" => {
                let mut n = numbers()?;
                n.resize(7, 0);
                let text =
                    format!("{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}", n[0], n[1], n[2], n[3], n[4], n[5], n[6]);
                Outcome::Value(parse_datetime(&text)?.into())
            }
            "Decimal" => Outcome::Value(text(&positional[0])?.parse::<Decimal>()?.into()),
            "UUID" => match Uuid::parse_str(&text(&positional[0])?) {
                Ok(id) => Outcome::Value(id.into()),
                Err(error) => return refuse(error.to_string()),
            },
            "float" => Outcome::Value(f64::NAN.into()),
            "len" => match first()? {
                Outcome::Expression(expression) => Outcome::Number(self.count(&expression)?),
                _ => return skip("len"),
            },
            "bool" => match first()? {
                Outcome::Expression(expression) => Outcome::Flag(self.exists(&expression)?),
                _ => return skip("bool"),
            },
            "dj.U" => Outcome::Universal(Universal::new(positional.iter().map(text).collect::<Result<Vec<_>, _>>()?)),
            "dj.Not" => Outcome::Condition(not(condition(first()?)?)),
            "dj.AndList" => match positional.first() {
                None => Outcome::Condition(Condition::All(Vec::new())),
                Some(_) => match first()? {
                    Outcome::List(items) => {
                        Outcome::Condition(Condition::All(items.into_iter().map(condition).collect::<Result<_, _>>()?))
                    }
                    _ => return skip("AndList"),
                },
            },
            "dj.Top" => Outcome::Top(self.top(positional, named, Top::first(1))?),
            other => return skip(format!("function {other}")),
        })
    }

    /// `Top(limit, order_by, offset)`, over what holds if they are left out.
    pub fn top(&self, positional: &[Python], named: &[(String, Python)], mut top: Top) -> Result<Top, Failure> {
        let names = ["limit", "order_by", "offset"];
        let given = names.iter().zip(positional).map(|(name, value)| (*name, value));
        for (name, value) in given.chain(named.iter().map(|(name, value)| (name.as_str(), value))) {
            let value = self.value(value)?;
            let count = |value: &Value| match value {
                Value::Null => Ok(None),
                Value::Int(number) => u64::try_from(*number).map(Some).or_else(|_| refuse("a negative number")),
                _ => refuse("a number was expected"),
            };
            match (name, value) {
                ("limit", value) => top.limit = count(&value)?,
                ("offset", value) => top.offset = count(&value)?.unwrap_or(0),
                ("order_by", Value::Null) => top.order_by = None,
                ("order_by", Value::Text(term)) => top.order_by = Some(vec![term]),
                ("order_by", Value::List(terms)) => {
                    let term = |term: &Value| term.as_str().map(str::to_owned).map_or_else(|| refuse("a text"), Ok);
                    top.order_by = Some(terms.iter().map(term).collect::<Result<_, _>>()?);
                }
                _ => return refuse("a wrong argument"),
            }
        }
        Ok(top)
    }

    pub fn method(&self, object: &Python, name: &str, positional: &[Python], named: &[(String, Python)]) -> Evaluated {
        let object = match (self.evaluate(object)?, name) {
            (Outcome::Universal(set), "aggr") => {
                let Some(Outcome::Expression(group)) = positional.first().map(|p| self.evaluate(p)).transpose()? else {
                    return refuse("no expression");
                };
                let mut computed = Vec::new();
                for (name, value) in named {
                    match (name.as_str(), self.value(value)?) {
                        ("exclude_nonmatching", Value::Bool(true)) => {}
                        (name, Value::Text(sql)) => computed.push((name.to_owned(), sql)),
                        _ => return refuse("a wrong argument"),
                    }
                }
                return Ok(Outcome::Expression(set.aggregate(&group, &computed)?));
            }
            (Outcome::Expression(object), _) => object,
            _ => return skip(format!("method {name}")),
        };
        let option = |wanted: &str| match named.iter().find(|(name, _)| name == wanted) {
            Some((_, value)) => self.value(value).map(|value| Some(value == Value::Bool(true))),
            None => Ok(None),
        };
        let other = || match positional.first().map(|first| self.evaluate(first)).transpose()? {
            Some(Outcome::Expression(other)) => Ok(other),
            _ => refuse("no expression"),
        };
        let matching = match option("semantic_check")? {
            Some(false) => Matching::ByName,
            _ => Matching::ByLineage,
        };
        Ok(match name {
            "proj" => Outcome::Expression(object.project(&self.projection(positional, named)?)?),
            "join" | "extend" => {
                let left = name == "extend" || option("left")? == Some(true);
                let options = JoinOptions {
                    kind: if left { JoinKind::Left } else { JoinKind::Inner },
                    matching,
                    allow_nullable_key: option("allow_nullable_pk")? == Some(true),
                };
                Outcome::Expression(object.join_opts(&other()?, options)?)
            }
            "aggr" | "aggregate" => {
                let unmatched = match option("exclude_nonmatching")? {
                    Some(true) => Unmatched::Drop,
                    _ => Unmatched::Keep,
                };
                let rest: Vec<_> = named.iter().filter(|(name, _)| name != "exclude_nonmatching").cloned().collect();
                let group = other()?;
                Outcome::Expression(object.aggregate(&group, &self.projection(&positional[1..], &rest)?, unmatched)?)
            }
            "restrict" => {
                let condition = condition(self.evaluate(&positional[0])?)?;
                Outcome::Expression(object.restrict_opts(&condition, matching)?)
            }
            "to_dicts" => Outcome::Dicts(self.dicts(&object.top(&self.top(&[], named, Top::default())?)?)?),
            "keys" => {
                if object.heading().primary_key().next().is_none() {
                    return refuse("no key");
                }
                let limited = object.top(&self.top(&[], named, Top::default())?)?;
                Outcome::Dicts(self.dicts(&limited.project(&Projection::default())?)?)
            }
            "head" => {
                let Some(limit) = self.value(&positional[0])?.as_i64() else { return skip("head") };
                Outcome::Dicts(self.dicts(&object.top(&Top::first(limit as u64))?)?)
            }
            other => return skip(format!("method {other}")),
        })
    }

    pub fn projection(&self, positional: &[Python], named: &[(String, Python)]) -> Result<Projection, Failure> {
        let mut projection = Projection::default();
        for argument in positional {
            projection.attributes.push(match self.evaluate(argument)? {
                Outcome::Ellipsis => "...".into(),
                Outcome::Value(Value::Text(name)) => name,
                _ => return refuse("a name was expected"),
            });
        }
        for (name, value) in named {
            let Value::Text(sql) = self.value(value)? else { return refuse("a text was expected") };
            projection = projection.with(name, sql);
        }
        Ok(projection)
    }

    pub fn rows(&self, expression: &Expression) -> Result<Vec<Vec<Value>>, Failure> {
        let statement = expression.select(&Sqlite)?;
        let rows = self.database.query(&statement).map_err(Failure::Refused)?;
        let decode = |row: Vec<Value>| {
            let pairs = row.into_iter().zip(expression.heading().visible());
            pairs.map(|(value, attribute)| Sqlite.decode_attribute(value, attribute).unwrap())
        };
        Ok(rows.into_iter().map(|row| decode(row).collect()).collect())
    }

    pub fn dicts(&self, expression: &Expression) -> Result<Vec<Vec<(String, Value)>>, Failure> {
        let names: Vec<String> = expression.heading().names().map(str::to_owned).collect();
        Ok(self.rows(expression)?.into_iter().map(|row| names.iter().cloned().zip(row).collect()).collect())
    }

    /// Compares an outcome with that of another expression.
    pub fn same(&self, outcome: &Evaluated, python: &str) -> Result<(), String> {
        let told = |failure: &Failure| match failure {
            Failure::Refused(text) | Failure::Skipped(text) => text.clone(),
        };
        let other = parse(python).map_err(Failure::Skipped).and_then(|python| self.evaluate(&python));
        let shown = |outcome: &Outcome| match outcome {
            Outcome::Expression(expression) => {
                let mut rows: Vec<Vec<String>> = self
                    .rows(expression)
                    .map_err(|failure| told(&failure))?
                    .iter()
                    .map(|row| row.iter().map(canonical_value).collect())
                    .collect();
                rows.sort();
                Ok(format!("{:?} {rows:?}", expression.heading().names().collect::<Vec<_>>()))
            }
            Outcome::Number(number) => Ok(number.to_string()),
            Outcome::Flag(flag) => Ok(flag.to_string()),
            _ => Err("an outcome that cannot be shown".to_owned()),
        };
        let found = shown(outcome.as_ref().map_err(told)?)?;
        let wanted = shown(other.as_ref().map_err(told)?)?;
        if found == wanted { Ok(()) } else { Err(format!("{found}\n  instead of\n    {wanted}")) }
    }

    pub fn count(&self, expression: &Expression) -> Result<i64, Failure> {
        let rows = self.database.query(&expression.count(&Sqlite)?).map_err(Failure::Refused)?;
        Ok(rows[0][0].as_i64().unwrap())
    }

    pub fn exists(&self, expression: &Expression) -> Result<bool, Failure> {
        let rows = self.database.query(&expression.exists(&Sqlite)?).map_err(Failure::Refused)?;
        Ok(rows[0][0] == Value::Int(1))
    }
}

pub fn not(condition: Condition) -> Condition {
    Condition::Not(Box::new(condition))
}

pub fn condition(outcome: Outcome) -> Result<Condition, Failure> {
    Ok(match outcome {
        Outcome::Expression(expression) => expression.into(),
        Outcome::Universal(_) => Condition::Universal,
        Outcome::Condition(condition) => condition,
        Outcome::Value(Value::Text(sql)) => Condition::Sql(sql),
        Outcome::Flag(flag) => flag.into(),
        Outcome::List(items) => Condition::Any(items.into_iter().map(condition).collect::<Result<_, _>>()?),
        Outcome::Dicts(rows) => Condition::Any(rows.into_iter().map(Condition::Map).collect()),
        _ => return refuse("no condition"),
    })
}
