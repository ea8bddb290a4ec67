//! From trees to `SELECT`s.
//!
//! Each node becomes a [`Block`], one `SELECT` in its parts. An operator adds to the block of its operand where that
//! means the same, and else puts it into a subquery; databases see through subqueries of this kind.

use lodestore_types::{CoreType, Result, Value};

use super::condition::{Operand, Predicate};
use super::fragment::Fragment;
use super::join::JoinKind;
use super::projection::{Column, Source};
use super::top::Term;
use super::{Expression, Node};
use crate::dialect::{JsonForm, JsonPath};
use crate::expression::block::{Block, Limit};
use crate::{Attribute, Dialect, Heading};

pub(super) struct Renderer<'a> {
    dialect: &'a dyn Dialect,
    aliases: usize,
}

impl<'a> Renderer<'a> {
    pub fn new(dialect: &'a dyn Dialect) -> Self {
        Renderer { dialect, aliases: 0 }
    }

    /// The whole query of an expression.
    pub fn select(&mut self, expression: &Expression) -> Result<Fragment> {
        Ok(self.block(expression)?.select(self.dialect))
    }

    /// A block whose rows can be counted or asked for without regard to its columns.
    pub fn rows(&mut self, expression: &Expression) -> Result<Block> {
        let block = self.block(expression)?;
        Ok(if block.is_shaped() { self.wrap(block) } else { block })
    }

    pub fn block(&mut self, expression: &Expression) -> Result<Block> {
        Ok(match &*expression.node {
            Node::Table(table) => {
                Block { is_table: true, ..Block::new(self.dialect.table(table).into(), expression.heading.names()) }
            }
            Node::Restrict { input, predicate } => {
                let block = self.block(input)?;
                let mut block = self.wrap_unless(Block::is_plain, block);
                let filter = self.predicate(predicate)?;
                block.filters.push(filter);
                block
            }
            Node::Project { input, columns } => self.project(input, columns)?,
            Node::Distinct { input, columns } => {
                let block = self.block(input)?;
                let mut block = self.wrap_unless(|block| !block.is_shaped(), block);
                block.columns = columns.iter().map(|column| self.column(column, &block)).collect();
                block.distinct = true;
                block
            }
            Node::Aggregate { input, by, columns } => {
                let block = self.block(input)?;
                let mut block = self.wrap_unless(Block::is_plain, block);
                block.columns = columns.iter().map(|column| self.column(column, &block)).collect();
                block.group = Some(match by {
                    None => Vec::new(),
                    // Without a key the rows of one group are told from none at all by a constant.
                    Some(by) if by.is_empty() => vec!["1 + 0".to_owned()],
                    Some(by) => by.iter().map(|name| self.dialect.quote(name)).collect(),
                });
                block
            }
            Node::Join { left, right, on, kind } => self.join(expression, (left, right), on, *kind)?,
            Node::Union { left, right } => self.union(expression, left, right)?,
            Node::Top { input, order, limit, offset } => {
                let block = self.block(input)?;
                let mut block = self.wrap_unless(|block| block.limit.is_none() && !block.distinct, block);
                let scope = input.order_scope();
                let written = |this: &Self, block: &Block| -> Vec<String> {
                    order.iter().map(|term| this.term(term, block, &scope)).collect()
                };
                let mut terms = written(self, &block);
                // ORDER BY takes a name for a new column first, though a column of the source was meant.
                let captured = |(name, sql): &(String, Option<Fragment>)| {
                    sql.is_some() && terms.iter().any(|term| term.contains(&self.dialect.quote(name)))
                };
                if block.columns.iter().any(captured) {
                    block = self.wrap(block);
                    terms = written(self, &block);
                }
                let order = terms.into_iter().map(Fragment::from).collect();
                block.limit = Some(Limit { order, limit: *limit, offset: *offset });
                block
            }
        })
    }

    fn project(&mut self, input: &Expression, columns: &[Column]) -> Result<Block> {
        let mut block = self.block(input)?;
        let computes = columns.iter().any(|column| !matches!(column.source, Source::Attribute(_)));
        // A new name in the same SELECT would be taken for the column of that name by ORDER BY.
        let renames =
            columns.iter().any(|column| !matches!(&column.source, Source::Attribute(name) if *name == column.name));
        // Without its aggregates, a query that takes all rows to one would take each row to one.
        let in_place = !block.distinct
            && block.group.as_ref().is_none_or(|group| !group.is_empty())
            && !(computes && (!block.has_plain_columns() || block.group.is_some()))
            && !(renames && block.limit.as_ref().is_some_and(|limit| !limit.order.is_empty()));
        if !in_place {
            block = self.wrap(block);
        }
        block.whole &= columns.len() == block.columns.len() && !renames;
        block.columns = columns.iter().map(|column| self.column(column, &block)).collect();
        Ok(block)
    }

    fn column(&self, column: &Column, block: &Block) -> (String, Option<Fragment>) {
        let sql = match &column.source {
            Source::Attribute(name) => {
                let under = block.columns.iter().find(|(known, _)| known == name).and_then(|(_, sql)| sql.clone());
                under.or_else(|| (*name != column.name).then(|| self.dialect.quote(name).into()))
            }
            Source::Path { attribute, path, as_type } => {
                Some(self.path(attribute, path, as_type.as_deref(), JsonForm::Text))
            }
            Source::Sql(text, over) => {
                let aggregate = over.as_ref().and_then(|core| text.render_aggregate(self.dialect, core));
                Some(aggregate.unwrap_or_else(|| text.render(self.dialect)).into())
            }
        };
        (column.name.clone(), sql)
    }

    fn path(&self, attribute: &str, path: &str, as_type: Option<&str>, form: JsonForm) -> Fragment {
        self.dialect.json_path(&self.dialect.quote(attribute), &JsonPath { attribute, path, as_type }, form).into()
    }

    /// The query for all values at a path with wildcards.
    fn values(&self, attribute: &str, path: &str, as_type: Option<&str>, form: JsonForm) -> Result<String> {
        let path = JsonPath { attribute, path, as_type };
        self.dialect.json_values(&self.dialect.quote(attribute), &path, form)
    }

    fn join(
        &mut self,
        whole: &Expression,
        (left, right): (&Expression, &Expression),
        on: &[String],
        kind: JoinKind,
    ) -> Result<Block> {
        let left = self.block(left)?;
        let left = self.wrap_unless(Block::is_whole, left);
        let right = self.block(right)?;
        let mut right = self.wrap_unless(|block| block.is_table && block.is_whole(), right);
        let mut from = left.from;
        if right.is_table && from.mentions(&right.from) {
            // Servers want two names for a table that stands twice in one FROM.
            right.from.push(" AS ").push(&self.alias());
        }
        from.push(match kind {
            JoinKind::Inner => " JOIN ",
            JoinKind::Left => " LEFT JOIN ",
        });
        from.append(right.from);
        if on.is_empty() {
            from.push(" ON 1 = 1");
        } else {
            let names: Vec<String> = on.iter().map(|name| self.dialect.quote(name)).collect();
            from.push(" USING (").push(&names.join(", ")).push(")");
        }
        Ok(Block::new(from, whole.heading.names()))
    }

    /// Both sides with the columns of the whole; what a side does not have is NULL there.
    fn union(&mut self, whole: &Expression, left: &Expression, right: &Expression) -> Result<Block> {
        let mut sides = Vec::new();
        for side in [left, right] {
            let block = self.block(side)?;
            let mut block = self.wrap_unless(|block| !block.is_shaped(), block);
            let columns = whole.heading.names().map(|name| {
                let known = block.columns.iter().find(|(column, _)| column == name).cloned();
                known.unwrap_or_else(|| (name.to_owned(), Some("NULL".into())))
            });
            block.columns = columns.collect();
            sides.push(block.select(self.dialect));
        }
        let mut from = Fragment::from("(");
        from.append(Fragment::join(sides, " UNION ")).push(") AS ").push(&self.alias());
        Ok(Block::new(from, whole.heading.names()))
    }

    /// A term of an order, over the columns of the source; computed columns are written out.
    fn term(&self, term: &Term, block: &Block, scope: &Heading) -> String {
        let written_out = |name: &str| {
            let column = block.columns.iter().find(|(known, _)| known == name);
            column.and_then(|(_, sql)| sql.clone()).map_or_else(|| self.dialect.quote(name), Fragment::into_text)
        };
        let sorted = |name: &str| {
            let sql = written_out(name);
            let core = scope.get_any(name).and_then(Attribute::stored_as);
            core.and_then(|core| self.dialect.order_by(&sql, core)).unwrap_or(sql)
        };
        match term {
            Term::Attribute { name, descending } => {
                let nullable = scope.get_any(name).is_none_or(|attribute| attribute.nullable);
                sorted(name) + self.dialect.direction(*descending, nullable)
            }
            Term::Sql(text) => match text.as_direction() {
                Some((name, descending)) => {
                    let nullable = scope.get_any(name).is_none_or(|attribute| attribute.nullable);
                    sorted(name) + self.dialect.direction(descending, nullable)
                }
                None if text.begins_with_name() => text.render_with(self.dialect, &|name| Some(sorted(name))),
                None => text.render_with(self.dialect, &|name| Some(written_out(name))),
            },
        }
    }

    fn alias(&mut self) -> String {
        self.aliases += 1;
        self.dialect.quote(&format!("${}", self.aliases))
    }

    fn wrap_unless(&mut self, fits: impl Fn(&Block) -> bool, block: Block) -> Block {
        if fits(&block) { block } else { self.wrap(block) }
    }

    /// The block as the source of a new one.
    fn wrap(&mut self, block: Block) -> Block {
        let names: Vec<String> = block.columns.iter().map(|(name, _)| name.clone()).collect();
        let mut from = Fragment::from("(");
        from.append(block.select(self.dialect)).push(") AS ").push(&self.alias());
        Block::new(from, names.iter().map(String::as_str))
    }

    fn predicate(&mut self, predicate: &Predicate) -> Result<Fragment> {
        let mut sql = Fragment::default();
        match predicate {
            Predicate::Constant(true) => sql.push("1 = 1"),
            Predicate::Constant(false) => sql.push("1 = 0"),
            Predicate::Sql(text) => sql.push(&text.render(self.dialect)),
            Predicate::IsNull(Operand::Path { attribute, path, as_type, form }) if path.contains('*') => {
                sql.push("NOT EXISTS (").push(&self.values(attribute, path, as_type.as_deref(), *form)?).push(")")
            }
            Predicate::IsNull(operand) => sql.append(self.operand(operand)).push(" IS NULL"),
            Predicate::Equals(operand, value, core) => {
                let (value, cast) = match core {
                    Some(core) => (self.dialect.encode(value.clone(), core)?, ""),
                    // What a document holds is compared as the document says it.
                    None if matches!(operand, Operand::Path { .. }) => (self.dialect.encode_free(value.clone())?, ""),
                    None => (self.dialect.encode_free(value.clone())?, self.dialect.free_cast(value)),
                };
                match operand {
                    Operand::Path { attribute, path, as_type, form } if path.contains('*') => {
                        let values = self.values(attribute, path, as_type.as_deref(), *form)?;
                        sql.push_value(value).push(" IN (").push(&values).push(")")
                    }
                    operand => sql.append(self.operand(operand)).push(" = ").push_value(value).push(cast),
                }
            }
            Predicate::Among(columns, rows) => sql.append(self.among(columns, rows)?),
            Predicate::All(items) => sql.append(self.list(items, " AND ")?),
            Predicate::Any(items) => sql.append(self.list(items, " OR ")?),
            Predicate::Not(inner) => sql.push("NOT (").append(self.predicate(inner)?).push(")"),
            Predicate::In(names, expression) => {
                let block = self.block(expression)?;
                sql.push(&self.row_of(names)).push(" IN (").append(self.columns_of(block, names)).push(")")
            }
            Predicate::Exists(expression) => sql.push("EXISTS (").append(self.select(expression)?).push(")"),
        };
        Ok(sql)
    }

    /// The query for some columns of a block. One that is limited goes into a subquery first: MySQL wants no LIMIT
    /// directly behind IN.
    pub fn columns_of(&mut self, block: Block, names: &[String]) -> Fragment {
        let mut block = self.wrap_unless(|block| !block.is_shaped(), block);
        let sql =
            |name: &String| block.columns.iter().find(|(known, _)| known == name).and_then(|(_, sql)| sql.clone());
        block.columns = names.iter().map(|name| (name.clone(), sql(name))).collect();
        block.select(self.dialect)
    }

    /// A column, or several as one row.
    pub fn row_of(&self, names: &[String]) -> String {
        let quoted: Vec<String> = names.iter().map(|name| self.dialect.quote(name)).collect();
        if quoted.len() > 1 { format!("({})", quoted.join(", ")) } else { quoted.join("") }
    }

    /// Whether the columns hold one of many rows of values.
    fn among(&self, columns: &[(String, CoreType)], rows: &[Vec<Value>]) -> Result<Fragment> {
        let encode = |row: &Vec<Value>| -> Result<Vec<Value>> {
            row.iter().zip(columns).map(|(value, (_, core))| self.dialect.encode(value.clone(), core)).collect()
        };
        let rows = rows.iter().map(encode).collect::<Result<Vec<_>>>()?;
        let names: Vec<String> = columns.iter().map(|(name, _)| name.clone()).collect();
        let cores: Vec<CoreType> = columns.iter().map(|(_, core)| core.clone()).collect();
        let mut sql = Fragment::from(self.row_of(&names));
        sql.push(" IN (");
        match self.dialect.rows(&cores, &rows) {
            Some(query) => {
                sql.append(Fragment::from_statement(query));
            }
            None => {
                let lists = self.dialect.lists_rows();
                sql.push(if lists { "" } else { "VALUES " });
                let (open, close) = if lists && names.len() == 1 { ("", "") } else { ("(", ")") };
                for (index, row) in rows.into_iter().enumerate() {
                    sql.push(if index == 0 { "" } else { ", " }).push(open);
                    for (column, value) in row.into_iter().enumerate() {
                        sql.push(if column == 0 { "" } else { ", " }).push_value(value);
                    }
                    sql.push(close);
                }
            }
        }
        sql.push(")");
        Ok(sql)
    }

    /// Conditions side by side. Many of them are nested in halves: databases bound the depth of expressions, and a
    /// long chain is as deep as it is long.
    fn list(&mut self, items: &[Predicate], between: &str) -> Result<Fragment> {
        let mut sql = Fragment::default();
        if let [item] = items {
            sql.push("(").append(self.predicate(item)?).push(")");
        } else if items.len() <= 8 {
            let parts = items.iter().map(|item| self.list(std::slice::from_ref(item), between));
            sql = Fragment::join(parts.collect::<Result<Vec<_>>>()?, between);
        } else {
            let (left, right) = items.split_at(items.len() / 2);
            sql.push("(").append(self.list(left, between)?).push(")").push(between);
            sql.push("(").append(self.list(right, between)?).push(")");
        }
        Ok(sql)
    }

    fn operand(&self, operand: &Operand) -> Fragment {
        match operand {
            Operand::Attribute(name) => self.dialect.quote(name).into(),
            Operand::Path { attribute, path, as_type, form } => self.path(attribute, path, as_type.as_deref(), *form),
        }
    }
}
