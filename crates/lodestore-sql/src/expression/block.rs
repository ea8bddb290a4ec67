//! One `SELECT` in its parts.

use lodestore_types::CoreType;

use super::fragment::Fragment;
use crate::Dialect;

/// One `SELECT` in its parts.
pub(super) struct Block {
    /// What stands behind FROM.
    pub from: Fragment,
    /// True if that is a table and nothing else.
    pub is_table: bool,
    /// True if the columns are all that the source has to show: another one may stand beside it without a name
    /// meaning two things.
    pub whole: bool,
    /// The columns in order: name and, unless it is a column of the source by that name, what computes it.
    pub columns: Vec<(String, Option<Fragment>)>,
    pub filters: Vec<Fragment>,
    /// What stands behind GROUP BY; an empty list makes one row of all.
    pub group: Option<Vec<String>>,
    pub distinct: bool,
    /// The order of its rows, which is said where it matters: at a limit and at the end.
    pub order: Vec<SortKey>,
    pub limit: Option<Limit>,
}

/// The end of a `SELECT`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    pub limit: Option<u64>,
    pub offset: u64,
}

/// What rows are sorted by.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SortKey {
    /// An expression over the source of the block, without values.
    pub sql: String,
    /// The type, where it decides how values sort.
    pub core: Option<CoreType>,
    pub descending: bool,
    pub nullable: bool,
}

impl SortKey {
    fn render(&self, dialect: &dyn Dialect) -> String {
        let sorted = self.core.as_ref().and_then(|core| dialect.order_by(&self.sql, core));
        sorted.unwrap_or_else(|| self.sql.clone()) + dialect.direction(self.descending, self.nullable)
    }
}

impl Block {
    /// All rows and columns of a source.
    pub fn new<'a>(from: Fragment, names: impl Iterator<Item = &'a str>) -> Self {
        Block {
            from,
            is_table: false,
            whole: true,
            columns: names.map(|name| (name.to_owned(), None)).collect(),
            filters: Vec::new(),
            group: None,
            distinct: false,
            order: Vec::new(),
            limit: None,
        }
    }

    /// True if every column is one of the source, by the same name.
    pub fn has_plain_columns(&self) -> bool {
        self.columns.iter().all(|(_, sql)| sql.is_none())
    }

    /// True if its rows are other than those of the source that pass the filters.
    pub fn is_shaped(&self) -> bool {
        self.group.is_some() || self.distinct || self.limit.is_some()
    }

    /// True if it only chooses among rows and columns of the source.
    pub fn is_plain(&self) -> bool {
        self.has_plain_columns() && !self.is_shaped()
    }

    /// True if its rows and columns are exactly those of the source.
    pub fn is_whole(&self) -> bool {
        self.whole && self.is_plain() && self.filters.is_empty()
    }

    /// The column that an expression over the source computes.
    pub fn column_of(&self, expression: &str, dialect: &dyn Dialect) -> Option<&str> {
        let same = |(name, sql): &&(String, Option<Fragment>)| match sql {
            None => dialect.quote(name) == expression,
            Some(sql) => sql.clone().into_text() == expression,
        };
        self.columns.iter().find(same).map(|(name, _)| name.as_str())
    }

    /// True if ORDER BY would take a name in its order for another column, which has that name in the result.
    pub fn captures(&self, dialect: &dyn Dialect) -> bool {
        self.columns.iter().any(|(name, sql)| {
            let quoted = dialect.quote(name);
            let taken = |key: &SortKey| {
                key.sql.contains(&quoted) && sql.as_ref().is_some_and(|sql| sql.clone().into_text() != key.sql)
            };
            sql.is_some() && self.order.iter().any(taken)
        })
    }

    /// True if a filter asks the table that the rows come from.
    pub fn asks_its_source(&self) -> bool {
        self.filters.iter().any(|filter| filter.mentions(&self.from))
    }

    /// The query for its columns.
    pub fn select(mut self, dialect: &dyn Dialect) -> Fragment {
        let columns = self.columns.iter().map(|(name, sql)| match sql {
            None => dialect.quote(name).into(),
            Some(sql) => {
                let mut column = sql.clone();
                column.push(" AS ").push(&dialect.quote(name));
                column
            }
        });
        let columns = match self.columns.is_empty() {
            // A query without attributes still has rows.
            true => Fragment::from("1"),
            false => Fragment::join(columns, ", "),
        };
        let order = std::mem::take(&mut self.order);
        let limit = self.limit.take();
        let mut sql = self.query(columns);
        if !order.is_empty() {
            let order: Vec<String> = order.iter().map(|key| key.render(dialect)).collect();
            sql.push(" ORDER BY ").push(&order.join(", "));
        }
        if let Some(Limit { limit, offset }) = limit {
            match (limit, offset) {
                (None, 0) => {}
                (Some(limit), 0) => {
                    sql.push(&format!(" LIMIT {limit}"));
                }
                // No database takes an offset without a limit.
                (limit, offset) => {
                    sql.push(&format!(" LIMIT {} OFFSET {offset}", limit.unwrap_or(i64::MAX as u64)));
                }
            }
        }
        sql
    }

    /// The query for something else over the same rows, which are neither limited nor sorted.
    pub fn query(self, what: Fragment) -> Fragment {
        let mut sql = Fragment::from(if self.distinct { "SELECT DISTINCT " } else { "SELECT " });
        sql.append(what).push(" FROM ").append(self.from);
        sql.append(conditions(self.filters));
        if let Some(group) = self.group.filter(|group| !group.is_empty()) {
            sql.push(" GROUP BY ").push(&group.join(", "));
        }
        sql
    }

    /// A statement over these rows of a table: `SELECT ...` or `DELETE`, whatever stands before FROM.
    pub fn statement(self, verb: &str) -> Fragment {
        let mut sql = Fragment::from(verb);
        sql.push(" FROM ").append(self.from).append(conditions(self.filters));
        sql
    }
}

/// The WHERE clause, or nothing.
fn conditions(filters: Vec<Fragment>) -> Fragment {
    let mut sql = Fragment::default();
    for (index, filter) in filters.into_iter().enumerate() {
        sql.push(if index == 0 { " WHERE (" } else { " AND (" }).append(filter).push(")");
    }
    sql
}
