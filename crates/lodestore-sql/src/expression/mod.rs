//! Queries as immutable trees, rendered to one `SELECT`.
//!
//! An [`Expression`] starts at a table and grows by operators, each of which gives a new expression and checks at
//! once what can be checked without a database. Cloning is cheap: trees are shared.
//!
//! ```
//! use std::sync::Arc;
//! use lodestore_sql::{Attribute, AttributeType, Condition, Expression, Heading, Projection, Sqlite};
//! use lodestore_types::{CoreType, FullTableName, Value};
//! # use lodestore_sql::Lineage;
//! # let table = FullTableName::parse("lab.subject")?;
//! # let attribute = |name: &str, core, in_key| Attribute {
//! #     name: name.into(), kind: AttributeType::core(core), in_key, nullable: false, default: None,
//! #     autoincrement: false, comment: String::new(), hidden: false, lineage: None, expression: None,
//! # };
//! # let attributes = vec![
//! #     attribute("subject_id", CoreType::Int32, true), attribute("weight", CoreType::Float64, false),
//! # ];
//! # let heading = Heading { table: Some(table), attributes, ..Heading::default() };
//! let heavy = Expression::table(Arc::new(heading))?
//!     .restrict(&Condition::Map(vec![("subject_id".into(), Value::Int(3))]))?
//!     .restrict(&Condition::Sql("weight > 20".into()))?
//!     .project(&Projection::default().with("grams", "weight"))?;
//! let statement = heavy.select(&Sqlite)?;
//! assert_eq!(
//!     statement.sql,
//!     "SELECT \"subject_id\", \"weight\" AS \"grams\" FROM \"lab.subject\" WHERE (\"subject_id\" = ?1) AND (\"weight\" > 20)"
//! );
//! assert_eq!(statement.parameters, [Value::Int(3)]);
//! # Ok::<(), lodestore_types::Error>(())
//! ```

mod aggregate;
mod block;
mod condition;
mod fragment;
mod join;
mod matching;
mod projection;
mod render;
mod scan;
mod sql_text;
mod top;
mod union;
mod words;

#[cfg(test)]
mod tests;

pub use aggregate::{Universal, Unmatched};
pub use condition::Condition;
pub use join::{JoinKind, JoinOptions};
pub use matching::Matching;
pub use projection::Projection;
pub(crate) use sql_text::SqlText;
pub use top::Top;

use std::sync::Arc;

use lodestore_types::{Error, ErrorKind, FullTableName, Result};

use crate::{Dialect, Heading, Statement};
use block::Limit;
use condition::Predicate;
use projection::{Column, Source};
use render::Renderer;
use top::Order;

/// A query: a table, or what operators make of others.
#[derive(Debug, Clone)]
pub struct Expression {
    node: Arc<Node>,
    heading: Arc<Heading>,
    /// How much stack it takes to walk through it: a restriction counts 1, other operators 2, a query in a condition 3 more.
    depth: usize,
}

/// What deeper queries would take to be rendered and dropped, stacks may not have. Databases end at about as many nested
/// operators.
const MAX_DEPTH: usize = 1000;

#[derive(Debug)]
enum Node {
    Table(FullTableName),
    Restrict {
        input: Expression,
        predicate: Box<Predicate>,
    },
    Project {
        input: Expression,
        columns: Vec<Column>,
    },
    Join {
        left: Expression,
        right: Expression,
        on: Vec<String>,
        kind: JoinKind,
    },
    /// One row for each value of the attributes, or one row for all.
    Aggregate {
        input: Expression,
        by: Option<Vec<String>>,
        columns: Vec<Column>,
        /// Whether rows of a group agree in what the input is sorted by.
        keeps_order: bool,
    },
    Distinct {
        input: Expression,
        columns: Vec<Column>,
    },
    /// Rows of both sides, once; a column that one side lacks is NULL there.
    Union {
        left: Expression,
        right: Expression,
    },
    Top {
        input: Expression,
        order: Order,
        limit: Option<u64>,
        offset: u64,
    },
    /// The rows without an order of their own.
    Unordered(Expression),
}

impl Expression {
    /// All rows of a table.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] if the heading belongs to no table.
    pub fn table(heading: Arc<Heading>) -> Result<Self> {
        let table = heading.table.clone().ok_or_else(|| not_a_table("query"))?;
        Ok(Expression::of(Node::Table(table), heading))
    }

    /// The attributes of the result.
    pub fn heading(&self) -> &Arc<Heading> {
        &self.heading
    }

    /// The table itself, if this is one, restricted and projected at most.
    pub fn base_table(&self) -> Option<&FullTableName> {
        match &*self.node {
            Node::Table(table) => Some(table),
            Node::Restrict { input, .. } | Node::Project { input, .. } | Node::Top { input, .. } => input.base_table(),
            _ => None,
        }
    }

    /// The table whose rows these are, each by its own key: restricted and projected at most.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`], with what was to be done to them, if they are not.
    pub fn table_of_rows(&self, action: &str) -> Result<&FullTableName> {
        self.base_table().filter(|_| self.keeps_key()).ok_or_else(|| not_a_table(action))
    }

    /// True if these are all rows of a table.
    pub fn is_whole_table(&self) -> bool {
        matches!(&*self.node, Node::Table(_))
    }

    /// True if the key attributes are still those of the table, by their own names.
    fn keeps_key(&self) -> bool {
        match &*self.node {
            Node::Table(_) => true,
            Node::Restrict { input, .. } | Node::Top { input, .. } => input.keeps_key(),
            Node::Project { input, columns } => {
                let kept = |name: &str| {
                    columns.iter().any(|c| c.name == name && matches!(&c.source, Source::Attribute(old) if old == name))
                };
                input.keeps_key() && input.heading.primary_key().all(|attribute| kept(&attribute.name))
            }
            _ => false,
        }
    }

    /// The rows that satisfy `condition`.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownAttribute`], [`ErrorKind::InvalidCondition`], or what the type of an attribute says of a
    /// value.
    pub fn restrict(&self, condition: &Condition) -> Result<Self> {
        self.restrict_opts(condition, Matching::ByLineage)
    }

    /// Like [`Expression::restrict`], with a choice of how other expressions in the condition are matched.
    ///
    /// # Errors
    /// Like [`Expression::restrict`].
    pub fn restrict_opts(&self, condition: &Condition, matching: Matching) -> Result<Self> {
        Ok(match condition.resolve(&self.heading, matching)? {
            Predicate::Constant(true) => self.clone(),
            predicate => {
                let node = Node::Restrict { input: self.clone(), predicate: Box::new(predicate) };
                Expression::of(node, self.heading.clone()).checked()?
            }
        })
    }

    /// The chosen attributes; those of the key always stay.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownAttribute`] or [`ErrorKind::InvalidRequest`].
    pub fn project(&self, projection: &Projection) -> Result<Self> {
        let (columns, heading) = projection.resolve_rows(&self.heading)?;
        Expression::of(Node::Project { input: self.clone(), columns }, Arc::new(heading)).checked()
    }

    /// The query for all rows: one column per visible attribute, in the order of the heading.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if the dialect cannot say it.
    pub fn select(&self, dialect: &dyn Dialect) -> Result<Statement> {
        Ok(Renderer::new(dialect).select(self)?.into_statement(dialect))
    }

    /// The query for the number of rows: one row with one integer.
    ///
    /// # Errors
    /// Like [`Expression::select`].
    pub fn count(&self, dialect: &dyn Dialect) -> Result<Statement> {
        let block = Renderer::new(dialect).rows(self)?;
        Ok(block.query("count(*)".into()).into_statement(dialect))
    }

    /// The query that tells whether there is any row: one row with 0 or 1.
    ///
    /// # Errors
    /// Like [`Expression::select`].
    pub fn exists(&self, dialect: &dyn Dialect) -> Result<Statement> {
        let mut sql = fragment::Fragment::from("SELECT EXISTS (");
        sql.append(Renderer::new(dialect).rows(self)?.query("1".into())).push(")");
        Ok(sql.into_statement(dialect))
    }

    /// The statement that deletes these rows of the table.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`] if it is more than a restricted table.
    pub fn delete(&self, dialect: &dyn Dialect) -> Result<Statement> {
        self.over_rows(dialect, DELETE, "delete from")
    }

    /// The query for columns, hidden ones among them, of the rows of the table that these are.
    ///
    /// # Errors
    /// Like [`Expression::delete`].
    pub fn table_columns(&self, dialect: &dyn Dialect, columns: &[String]) -> Result<Statement> {
        let columns: Vec<String> = columns.iter().map(|name| dialect.quote(name)).collect();
        self.over_rows(dialect, &format!("SELECT {}", columns.join(", ")), "ask for keys of")
    }

    /// `verb FROM table WHERE ...`, for the rows of the table that these are.
    fn over_rows(&self, dialect: &dyn Dialect, verb: &str, action: &str) -> Result<Statement> {
        let mut renderer = Renderer::new(dialect);
        let mut block = renderer.block(self)?;
        let table = self.table_of_rows(action)?;
        let free = verb != DELETE || dialect.deletes_what_it_reads() || !block.asks_its_source();
        if block.is_table && !block.is_shaped() && free {
            return Ok(block.statement(verb).into_statement(dialect));
        }
        if verb == DELETE && !dialect.deletes_what_it_reads() {
            // What is limited is worked out before the first row goes.
            block.limit.get_or_insert(Limit { limit: None, offset: 0 }).limit.get_or_insert(i64::MAX as u64);
        }
        // Rows that are limited, or chosen by what was computed, are told by their keys.
        let key: Vec<String> = self.heading.primary_key().map(|attribute| attribute.name.clone()).collect();
        let mut sql = fragment::Fragment::from(format!("{verb} FROM {} WHERE ", dialect.table(table)));
        if key.is_empty() {
            // A table without a key to see has one row at most.
            sql.push("EXISTS (").append(renderer.columns_of(block, &key)).push(")");
        } else {
            sql.push(&renderer.row_of(&key)).push(" IN (").append(renderer.columns_of(block, &key)).push(")");
        }
        Ok(sql.into_statement(dialect))
    }

    fn of(node: Node, heading: Arc<Heading>) -> Self {
        let depth = match &node {
            Node::Table(_) => 0,
            Node::Restrict { input, predicate } => 1 + input.depth.max(predicate.depth()),
            Node::Project { input, .. }
            | Node::Aggregate { input, .. }
            | Node::Distinct { input, .. }
            | Node::Top { input, .. }
            | Node::Unordered(input) => 2 + input.depth,
            Node::Join { left, right, .. } | Node::Union { left, right } => 2 + left.depth.max(right.depth),
        };
        Expression { node: Arc::new(node), heading, depth }
    }

    /// This expression, unless it is nested too deeply to go on with.
    fn checked(self) -> Result<Self> {
        if self.depth <= MAX_DEPTH {
            return Ok(self);
        }
        Err(Error::new(
            ErrorKind::Unsupported,
            "the query nests too many operators: about a thousand, one on the other",
        )
        .with_hint(
            "restrict once by all conditions together (a list means any of them, `AndList` all of them), or by a \
                 table that holds the values",
        ))
    }
}

const DELETE: &str = "DELETE";

/// The refusal of what only a table can do.
pub(crate) fn not_a_table(verb: &str) -> Error {
    Error::new(ErrorKind::InvalidRequest, format!("cannot {verb} the result of a query"))
        .with_hint("use the table itself, restricted if need be")
}
