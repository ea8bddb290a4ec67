//! From trees to `SELECT`s.
//!
//! Each node becomes a [`Block`], one `SELECT` in its parts. An operator adds to the block of its operand where that
//! means the same, and else puts it into a subquery; databases see through subqueries of this kind.

use lodestore_types::{CoreType, Result, Value};

use super::condition::{Operand, Predicate};
use super::fragment::Fragment;
use super::join::JoinKind;
use super::projection::{Column, Source};
use super::top::{Order, Subject, Term};
use super::{Expression, Node};
use crate::dialect::{JsonForm, JsonPath};
use crate::expression::block::{Block, Limit, SortKey};
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
        let block = self.block(expression)?;
        Ok(self.sorted(block).select(self.dialect))
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
                let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
                self.keep_order_of(&mut block, &names);
                block.columns = columns.iter().map(|column| self.column(column, &block)).collect();
                block.distinct = true;
                block
            }
            Node::Aggregate { input, by, columns, keeps_order } => {
                let block = self.block(input)?;
                let mut block = self.wrap_unless(Block::is_plain, block);
                if !keeps_order {
                    self.keep_order_of(&mut block, by.as_deref().unwrap_or_default());
                }
                block.columns = columns.iter().map(|column| self.column(column, &block)).collect();
                let mut group = match by {
                    None => Vec::new(),
                    // Without a key the rows of one group are told from none at all by a constant.
                    Some(by) if by.is_empty() => vec!["1 + 0".to_owned()],
                    Some(by) => by.iter().map(|name| self.dialect.quote(name)).collect(),
                };
                let sorted: Vec<String> =
                    block.order.iter().map(|key| key.sql.clone()).filter(|sql| !group.contains(sql)).collect();
                group.extend(sorted);
                block.group = Some(group);
                block
            }
            Node::Join { left, right, on, kind } => self.join(expression, (left, right), on, *kind)?,
            Node::Union { left, right } => self.union(expression, left, right)?,
            Node::Top { input, order, limit, offset } => self.top(input, order, *limit, *offset)?,
            Node::Unordered(input) => {
                let block = self.block(input)?;
                let mut block = self.wrap_unless(|block| block.limit.is_none(), block);
                block.order.clear();
                block
            }
        })
    }

    fn top(&mut self, input: &Expression, order: &Order, limit: Option<u64>, offset: u64) -> Result<Block> {
        let block = self.block(input)?;
        let keeps = *order == Order::Kept && block.limit.is_some();
        let mut block = self.wrap_unless(|block| (block.limit.is_none() || keeps) && !block.distinct, block);
        let scope = input.order_scope();
        let mut keys = match order {
            Order::By(terms) => terms.iter().map(|term| self.sort_key(term, &block, &scope)).collect(),
            Order::Kept | Order::Reversed => Vec::new(),
        };
        // Rows that are equal in these stay in the order that they had, and then in that of their key: without that,
        // each database, and each limit, would choose among them in its own way.
        keys.append(&mut block.order);
        let identity: Vec<SortKey> = input
            .heading
            .primary_key()
            .map(|attribute| Term { subject: Subject::Attribute(attribute.name.clone()), descending: false })
            .map(|term| self.sort_key(&term, &block, &scope))
            .collect();
        keys.extend(identity.iter().cloned());
        for key in keys {
            let identified = !identity.is_empty()
                && identity.iter().all(|part| block.order.iter().any(|known| known.sql == part.sql));
            if !identified && !block.order.iter().any(|known| known.sql == key.sql) {
                block.order.push(key);
            }
        }
        if *order == Order::Reversed {
            block.order.iter_mut().for_each(|key| key.descending = !key.descending);
        }
        block.limit = match block.limit {
            Some(first) => {
                let left = first.limit.map(|rows| rows.saturating_sub(offset));
                let limit = left.into_iter().chain(limit).min();
                Some(Limit { limit, offset: first.offset.saturating_add(offset) })
            }
            None => (limit.is_some() || offset > 0).then_some(Limit { limit, offset }),
        };
        Ok(block)
    }

    /// Leaves of an order what rows with equal values of these columns agree in.
    fn keep_order_of(&self, block: &mut Block, names: &[String]) {
        let told = |key: &SortKey| {
            block.column_of(&key.sql, self.dialect).is_some_and(|name| names.iter().any(|kept| kept == name))
        };
        let kept = block.order.iter().take_while(|key| told(key)).count();
        block.order.truncate(kept);
    }

    fn project(&mut self, input: &Expression, columns: &[Column]) -> Result<Block> {
        let mut block = self.block(input)?;
        let computes = columns.iter().any(|column| !matches!(column.source, Source::Attribute(_)));
        let renames =
            columns.iter().any(|column| !matches!(&column.source, Source::Attribute(name) if *name == column.name));
        // Without its aggregates, a query that takes all rows to one would take each row to one.
        let in_place = !block.distinct
            && block.group.as_ref().is_none_or(|group| !group.is_empty())
            // A window of all rows would otherwise see those beyond the limit.
            && !(computes && (!block.has_plain_columns() || block.group.is_some() || block.limit.is_some()));
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
        // What is sorted by must have a name that the other side does not have.
        let named = |block: &Block, dialect: &dyn Dialect| {
            block.is_whole() && block.order.iter().all(|key| block.column_of(&key.sql, dialect).is_some())
        };
        let dialect = self.dialect;
        let left = self.wrap_unless(|block| named(block, dialect), left);
        let right = self.block(right)?;
        let mut right = self.wrap_unless(|block| block.is_table && named(block, dialect), right);
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
        let order = left.order.into_iter().chain(right.order).collect();
        Ok(Block { order, ..Block::new(from, whole.heading.names()) })
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
            block.order.clear();
            sides.push(block.select(self.dialect));
        }
        let mut from = Fragment::from("(");
        from.append(Fragment::join(sides, " UNION ")).push(") AS ").push(&self.alias());
        Ok(Block::new(from, whole.heading.names()))
    }

    /// A term of an order, over the source of the block; computed columns are written out.
    fn sort_key(&self, term: &Term, block: &Block, scope: &Heading) -> SortKey {
        let written_out = |name: &str| {
            let column = block.columns.iter().find(|(known, _)| known == name);
            column.and_then(|(_, sql)| sql.clone()).map_or_else(|| self.dialect.quote(name), Fragment::into_text)
        };
        let sql = |subject: &Subject| match subject {
            Subject::Attribute(name) => written_out(name),
            Subject::Sql(text) => text.render_with(self.dialect, &|name| Some(written_out(name))),
            Subject::Missing(_) => unreachable!("a term of its own"),
        };
        let descending = term.descending;
        match &term.subject {
            Subject::Attribute(name) => {
                let attribute = scope.get_any(name);
                SortKey {
                    sql: written_out(name),
                    core: attribute.and_then(Attribute::stored_as).cloned(),
                    descending,
                    nullable: attribute.is_none_or(|attribute| attribute.nullable),
                }
            }
            subject @ Subject::Sql(_) => SortKey { sql: sql(subject), core: None, descending, nullable: true },
            Subject::Missing(of) => {
                SortKey { sql: format!("({}) IS NULL", sql(of)), core: None, descending, nullable: false }
            }
        }
    }

    fn alias(&mut self) -> String {
        self.aliases += 1;
        self.dialect.quote(&format!("${}", self.aliases))
    }

    fn wrap_unless(&mut self, fits: impl Fn(&Block) -> bool, block: Block) -> Block {
        if fits(&block) { block } else { self.wrap(block) }
    }

    /// The block as the source of a new one, which has the same order. What it is sorted by and does not show becomes a
    /// column that only the order knows.
    fn wrap(&mut self, block: Block) -> Block {
        let mut block = if block.limit.is_some() { self.sorted(block) } else { block };
        let names: Vec<String> = block.columns.iter().map(|(name, _)| name.clone()).collect();
        let mut order = Vec::new();
        for key in &block.order {
            let shown = block.column_of(&key.sql, self.dialect).map(|name| self.dialect.quote(name));
            let sql = shown.unwrap_or_else(|| {
                self.aliases += 1;
                let name = format!("${}", self.aliases);
                block.columns.push((name.clone(), Some(key.sql.clone().into())));
                self.dialect.quote(&name)
            });
            order.push(SortKey { sql, ..key.clone() });
        }
        if block.limit.is_none() {
            block.order.clear();
        }
        let mut from = Fragment::from("(");
        from.append(block.select(self.dialect)).push(") AS ").push(&self.alias());
        Block { order, ..Block::new(from, names.iter().map(String::as_str)) }
    }

    /// The block in a form whose ORDER BY means the columns of the source.
    fn sorted(&mut self, mut block: Block) -> Block {
        if !block.captures(self.dialect) {
            return block;
        }
        let limit = block.limit.take();
        Block { limit, ..self.wrap(block) }
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
            Predicate::Exists(expression) => {
                sql.push("EXISTS (").append(self.rows(expression)?.query("1".into())).push(")")
            }
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
        block.order.clear();
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
