//! One `SELECT` in its parts.

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
    pub limit: Option<Limit>,
}

/// The end of a `SELECT`.
pub(super) struct Limit {
    pub order: Vec<Fragment>,
    pub limit: Option<u64>,
    pub offset: u64,
}

impl Limit {
    /// No limit at all.
    pub fn none() -> Self {
        Limit { order: Vec::new(), limit: None, offset: 0 }
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

    /// True if a filter asks the table that the rows come from.
    pub fn asks_its_source(&self) -> bool {
        self.filters.iter().any(|filter| filter.mentions(&self.from))
    }

    /// The query for its columns.
    pub fn select(self, dialect: &dyn Dialect) -> Fragment {
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
        self.query(columns)
    }

    /// The query for something else over the same rows.
    pub fn query(self, what: Fragment) -> Fragment {
        let mut sql = Fragment::from(if self.distinct { "SELECT DISTINCT " } else { "SELECT " });
        sql.append(what).push(" FROM ").append(self.from);
        sql.append(conditions(self.filters));
        if let Some(group) = self.group.filter(|group| !group.is_empty()) {
            sql.push(" GROUP BY ").push(&group.join(", "));
        }
        if let Some(Limit { order, limit, offset }) = self.limit {
            if !order.is_empty() {
                sql.push(" ORDER BY ").append(Fragment::join(order, ", "));
            }
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

    /// The statement that deletes these rows of a table.
    pub fn delete(self) -> Fragment {
        let mut sql = Fragment::from("DELETE FROM ");
        sql.append(self.from).append(conditions(self.filters));
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
