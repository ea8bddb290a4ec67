//! Taking jobs, and what becomes of them.

use std::sync::Arc;

use lodestore_codec::blob;
use lodestore_sql::{Attribute, Condition, Statement};
use lodestore_types::{Error, ErrorKind, Result, Value};

use super::text::{Text, agree, columns};
use super::{JobStatus, Jobs, Worker};
use crate::populate::todo::decode;
use crate::{Query, Row};

/// The most characters of an error's message.
const MESSAGE: usize = 2047;

/// Bytes of an error's stack that are stored; every server takes a value of this size. The middle of a longer one is left
/// out: its beginning says where the call came from, its end what failed.
const STACK: usize = 4 << 20;

/// How often a worker looks again when others are at all jobs that it sees.
const LOOKS: u32 = 400;

/// A job that a worker has.
#[derive(Debug, Clone)]
pub(crate) struct Reservation {
    pub key: Row,
    stored: Vec<Value>,
    connection_id: i64,
}

/// Which jobs may be taken.
#[derive(Clone, Copy)]
enum Due {
    /// Those that wait for a worker, and whose moment has come.
    Pending,
    /// Those whose worker has given no sign of life for the length of its lease.
    Abandoned,
}

impl Jobs {
    /// Takes up to `count` of the most urgent jobs, of `restriction` if there is one; nothing if none is due.
    pub(crate) fn claim(
        &self,
        worker: &Worker,
        restriction: Option<&Query>,
        priority: Option<i64>,
        count: usize,
    ) -> Result<Vec<Reservation>> {
        for due in [Due::Pending, Due::Abandoned] {
            let mut looks = 0;
            let select = self.due(due, restriction, priority, count)?;
            loop {
                let rows = match self.instance().dialect().queue().tells_updated {
                    true => self.take_telling(worker, select.clone())?,
                    false => self.take_locking(worker, select.clone())?,
                };
                if !rows.is_empty() {
                    return rows.into_iter().map(|row| self.reservation(row)).collect();
                }
                // A server that looks at more rows than it gives holds them all for a moment: they look taken, and are not.
                looks += 1;
                if self.instance().dialect().queue().tells_updated
                    || looks > LOOKS
                    || self.instance().query(&select)?.is_empty()
                {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_micros(500 + 500 * u64::from(worker.pid % 7)));
            }
        }
        Ok(Vec::new())
    }

    /// How many jobs may be taken now.
    pub(crate) fn count_due(&self, restriction: Option<&Query>, priority: Option<i64>) -> Result<u64> {
        let count = |due| self.due_rows(due, restriction, priority)?.len();
        Ok(count(Due::Pending)? + count(Due::Abandoned)?)
    }

    fn due_rows(&self, due: Due, restriction: Option<&Query>, priority: Option<i64>) -> Result<Query> {
        let now = self.instance().dialect().moment(0.0);
        let mut condition = match due {
            Due::Pending => format!("status = 'pending' AND scheduled_time <= {now}"),
            Due::Abandoned => {
                format!("status = 'reserved' AND scheduled_time <= {now} AND scheduled_time > reserved_time")
            }
        };
        if let Some(priority) = priority {
            condition.push_str(&format!(" AND priority <= {priority}"));
        }
        restriction.unwrap_or(&self.rows).restrict(Condition::Sql(condition))
    }

    fn due(&self, due: Due, restriction: Option<&Query>, priority: Option<i64>, count: usize) -> Result<Statement> {
        let dialect = self.instance().dialect();
        let rows = self.due_rows(due, restriction, priority)?;
        let mut select = rows.expression().table_columns(dialect, &self.key)?;
        let order = columns(dialect, "", &["priority".to_owned(), "scheduled_time".to_owned()]);
        select.sql.push_str(&format!(" ORDER BY {order} LIMIT {count}"));
        Ok(select)
    }

    /// Reserves what a query gives in one statement, which tells what it was.
    fn take_telling(&self, worker: &Worker, select: Statement) -> Result<Vec<Vec<Value>>> {
        let dialect = self.instance().dialect();
        let (table, picked) = (dialect.table(self.rows.name()), dialect.quote("$picked"));
        let mut text = Text::new(dialect);
        text.push(&format!("WITH {picked} AS (")).first(select).push(dialect.queue().skip_locked);
        text.push(&format!(") UPDATE {table} SET "));
        self.mark_reserved(&mut text, worker, true);
        let told = columns(dialect, &table, &[self.key.clone(), vec!["connection_id".to_owned()]].concat());
        text.push(&format!(" FROM {picked} WHERE {} RETURNING {told}", agree(dialect, &table, &picked, &self.key)));
        self.instance().query(&text.finish())
    }

    /// Reserves what a query gives, in a transaction that holds these rows and no others.
    fn take_locking(&self, worker: &Worker, select: Statement) -> Result<Vec<Vec<Value>>> {
        let dialect = self.instance().dialect();
        let words = dialect.queue();
        let id = words.connection_id.unwrap_or("0");
        let select = Statement {
            sql: select.sql.replacen("SELECT ", &format!("SELECT {id}, "), 1) + words.skip_locked,
            ..select
        };
        self.instance().with_connection(|connection| {
            if let Some(before) = words.before_transaction {
                connection.execute(before, &[])?;
            }
            connection.begin()?;
            let outcome = connection.query(&select.sql, &select.parameters).and_then(|mut rows| {
                for row in &mut rows {
                    row.rotate_left(1);
                    let mut text = Text::new(dialect);
                    text.push(&format!("UPDATE {} SET ", dialect.table(self.rows.name())));
                    self.mark_reserved(&mut text, worker, true);
                    self.where_key(&mut text, &row[..self.key.len()]);
                    let statement = text.finish();
                    connection.execute(&statement.sql, &statement.parameters)?;
                }
                Ok(rows)
            });
            match outcome {
                Ok(rows) => connection.commit().map(|()| rows),
                Err(error) => {
                    connection.rollback()?;
                    Err(error)
                }
            }
        })
    }

    /// Reserves one job that is pending and due; false if it is not, or if another worker was faster. Without a lease the
    /// reservation holds until an orphan timeout, as DataJoint's do.
    ///
    /// # Errors
    /// `MissingAttribute` or what the type of an attribute says of its value, for a key that is none; otherwise the
    /// database's.
    pub fn reserve(&self, key: &Row) -> Result<bool> {
        let worker = Worker::new(self.instance())?;
        Ok(self.reserve_for(&worker, key, false)?.is_some())
    }

    /// Reserves one job that is due, or that was abandoned, with a lease.
    pub(crate) fn reserve_one(&self, worker: &Worker, key: &Row) -> Result<Option<Reservation>> {
        self.reserve_for(worker, key, true)
    }

    fn reserve_for(&self, worker: &Worker, key: &Row, leased: bool) -> Result<Option<Reservation>> {
        let dialect = self.instance().dialect();
        let stored = self.stored_key(key)?;
        let (status, scheduled) = (dialect.quote("status"), dialect.quote("scheduled_time"));
        let mut text = Text::new(dialect);
        text.push(&format!("UPDATE {} SET ", dialect.table(self.rows.name())));
        self.mark_reserved(&mut text, worker, leased);
        self.where_key(&mut text, &stored);
        text.push(&format!(" AND {scheduled} <= {} AND ({status} = 'pending'", dialect.moment(0.0)));
        if leased {
            text.push(&format!(" OR ({status} = 'reserved' AND {scheduled} > {})", dialect.quote("reserved_time")));
        }
        text.push(")");
        if self.execute(text.finish())? == 0 {
            return Ok(None);
        }
        if !leased {
            return Ok(Some(Reservation { key: key.clone(), stored, connection_id: 0 }));
        }
        let mut text = Text::new(dialect);
        text.push("SELECT ").name("connection_id").push(&format!(" FROM {}", dialect.table(self.rows.name())));
        self.where_key(&mut text, &stored);
        let told = self.instance().query(&text.finish())?;
        let connection_id = told.first().and_then(|row| row[0].as_i64()).unwrap_or_default();
        Ok(Some(Reservation { key: key.clone(), stored, connection_id }))
    }

    /// Says that the worker still lives.
    pub(crate) fn renew(&self, worker: &Worker, reservation: &Reservation) -> Result<bool> {
        let dialect = self.instance().dialect();
        let mut text = Text::new(dialect);
        text.push(&format!("UPDATE {} SET ", dialect.table(self.rows.name())));
        text.set("", "reserved_time", &dialect.moment(0.0));
        text.set(", ", "scheduled_time", &dialect.moment(worker.lease.as_secs_f64()));
        self.where_owned(&mut text, worker, reservation);
        Ok(self.execute(text.finish())? > 0)
    }

    /// Notes that a job is done, in the transaction of its rows. False if another worker has taken the job over: then the
    /// rows are that one's to insert. A job that was deleted meanwhile is done all the same.
    pub(crate) fn finish(&self, worker: &Worker, reservation: &Reservation, seconds: f64) -> Result<bool> {
        let dialect = self.instance().dialect();
        let table = dialect.table(self.rows.name());
        let mut text = Text::new(dialect);
        if self.instance().config().get_bool("jobs.keep_completed") {
            text.push(&format!("UPDATE {table} SET ")).set("", "status", "'success'");
            text.set(", ", "completed_time", &dialect.moment(0.0)).assign(", ", "duration", Value::Float(seconds));
            text.set(", ", "scheduled_time", &dialect.quote("reserved_time"));
        } else {
            text.push(&format!("DELETE FROM {table}"));
        }
        self.where_owned(&mut text, worker, reservation);
        if self.execute(text.finish())? > 0 {
            return Ok(true);
        }
        let mut text = Text::new(dialect);
        text.push(&format!("SELECT 1 FROM {table}"));
        self.where_key(&mut text, &reservation.stored);
        text.push(dialect.queue().lock_rows);
        Ok(self.instance().query(&text.finish())?.is_empty())
    }

    /// Notes that the computation of a job failed, unless another worker has taken it over.
    pub(crate) fn fail(
        &self,
        worker: &Worker,
        reservation: &Reservation,
        message: &str,
        stack: Option<&str>,
    ) -> Result<()> {
        let mut text = self.marking_error(message, stack)?;
        self.where_owned(&mut text, worker, reservation);
        self.execute(text.finish()).map(drop)
    }

    /// Gives a job back as if it had never been reserved.
    pub(crate) fn release(&self, worker: &Worker, reservation: &Reservation) -> Result<()> {
        let dialect = self.instance().dialect();
        let mut text = Text::new(dialect);
        text.push(&format!("UPDATE {} SET ", dialect.table(self.rows.name())));
        text.push(&self.marks_pending(&dialect.moment(0.0)));
        self.where_owned(&mut text, worker, reservation);
        self.execute(text.finish()).map(drop)
    }

    /// Notes that a job is done, whoever did it: it is deleted, or kept as a success with the seconds that it took, by the
    /// setting `jobs.keep_completed`. A job that is not there is no error.
    ///
    /// # Errors
    /// As [`Jobs::reserve`].
    pub fn complete(&self, key: &Row, seconds: Option<f64>) -> Result<()> {
        let dialect = self.instance().dialect();
        let table = dialect.table(self.rows.name());
        let stored = self.stored_key(key)?;
        let mut text = Text::new(dialect);
        if self.instance().config().get_bool("jobs.keep_completed") {
            text.push(&format!("UPDATE {table} SET ")).set("", "status", "'success'");
            text.set(", ", "completed_time", &dialect.moment(0.0));
            text.assign(", ", "duration", seconds.map_or(Value::Null, Value::Float));
        } else {
            text.push(&format!("DELETE FROM {table}"));
        }
        self.where_key(&mut text, &stored);
        self.execute(text.finish()).map(drop)
    }

    /// Notes that the computation of a job failed, with what went wrong; it stays so until it is deleted.
    ///
    /// # Errors
    /// `RowCount` if there is no such job; otherwise as [`Jobs::reserve`].
    pub fn error(&self, key: &Row, message: &str, stack: Option<&str>) -> Result<()> {
        let stored = self.stored_key(key)?;
        let mut text = self.marking_error(message, stack)?;
        self.where_key(&mut text, &stored);
        match self.execute(text.finish())? {
            0 => Err(Error::new(ErrorKind::RowCount, "there is no job of this key")
                .with("table", self.rows.name())
                .with_hint("`refresh` makes jobs for the keys that are yet to compute")),
            _ => Ok(()),
        }
    }

    /// Marks a key as not to be computed; its job is made if it is not there.
    ///
    /// # Errors
    /// As [`Jobs::reserve`].
    pub fn ignore(&self, key: &Row) -> Result<()> {
        let stored = self.stored_key(key)?;
        let mark = || {
            let mut text = Text::new(self.instance().dialect());
            text.push(&format!("UPDATE {} SET ", self.instance().dialect().table(self.rows.name())));
            text.set("", "status", "'ignore'");
            self.where_key(&mut text, &stored);
            self.execute(text.finish())
        };
        let exists = || Ok::<bool, Error>(!self.rows.restrict(self.only_key(key))?.is_empty()?);
        if mark()? > 0 || exists()? {
            return Ok(());
        }
        let row = self.only_key(key).with("status", JobStatus::Ignore.name());
        match self.rows.insert1(row.with("priority", self.default_priority()?)) {
            // It was made at this very moment.
            Err(error) if error.kind() == ErrorKind::Duplicate => mark().map(drop),
            outcome => outcome,
        }
    }

    /// What a row has of the key.
    fn only_key(&self, row: &Row) -> Row {
        self.key.iter().filter_map(|name| Some((name.clone(), row.get(name)?.clone()))).collect()
    }

    fn reservation(&self, mut row: Vec<Value>) -> Result<Reservation> {
        let connection_id = row.pop().and_then(|id| id.as_i64()).unwrap_or_default();
        let attributes: Vec<&Attribute> =
            self.key.iter().map(|name| self.rows.heading().attribute(name)).collect::<Result<_>>()?;
        let names: Arc<[String]> = self.key.clone().into();
        let key = decode(self.instance().dialect(), &names, &attributes, row.clone())?;
        Ok(Reservation { key, stored: row, connection_id })
    }

    /// What a reservation writes.
    fn mark_reserved(&self, text: &mut Text<'_>, worker: &Worker, leased: bool) {
        let dialect = self.instance().dialect();
        let words = dialect.queue();
        text.set("", "status", "'reserved'").set(", ", "reserved_time", &dialect.moment(0.0));
        if leased {
            text.set(", ", "scheduled_time", &dialect.moment(worker.lease.as_secs_f64()));
        }
        text.assign(", ", "host", worker.host.as_str().into()).assign(", ", "pid", i64::from(worker.pid).into());
        match words.connection_id {
            Some(sql) => text.set(", ", "connection_id", sql),
            None => text.assign(", ", "connection_id", worker.number.into()),
        };
        match words.user {
            Some(sql) => text.set(", ", "user", sql),
            None => text.assign(", ", "user", worker.user.as_str().into()),
        };
        text.assign(", ", "version", worker.version.as_str().into());
    }

    /// What makes a job wait for a worker from a moment on.
    pub(super) fn marks_pending(&self, moment: &str) -> String {
        let quote = |name: &str| self.instance().dialect().quote(name);
        let cleared = [("reserved_time", "NULL"), ("completed_time", "NULL"), ("duration", "NULL"), ("user", "''")];
        let more = [("host", "''"), ("pid", "0"), ("connection_id", "0"), ("version", "''")];
        let cleared = cleared.iter().chain(&more).map(|(name, value)| format!(", {} = {value}", quote(name)));
        format!("{} = 'pending', {} = {moment}", quote("status"), quote("scheduled_time"))
            + &cleared.collect::<String>()
    }

    fn marking_error(&self, message: &str, stack: Option<&str>) -> Result<Text<'_>> {
        let dialect = self.instance().dialect();
        let mut text = Text::new(dialect);
        text.push(&format!("UPDATE {} SET ", dialect.table(self.rows.name()))).set("", "status", "'error'");
        text.set(", ", "completed_time", &dialect.moment(0.0));
        text.assign(", ", "error_message", shorten(message).into());
        let stack = stack.map(|stack| blob::pack(&Value::Text(without_middle(stack, STACK))));
        let stack = stack.transpose()?.map_or(Value::Null, Value::Bytes);
        text.assign(", ", "error_stack", stack);
        Ok(text)
    }

    fn where_key(&self, text: &mut Text<'_>, stored: &[Value]) {
        for (index, (name, value)) in self.key.iter().zip(stored).enumerate() {
            text.assign(if index == 0 { " WHERE " } else { " AND " }, name, value.clone());
        }
    }

    /// The condition that a worker still has a job.
    fn where_owned(&self, text: &mut Text<'_>, worker: &Worker, reservation: &Reservation) {
        self.where_key(text, &reservation.stored);
        text.set(" AND ", "status", "'reserved'").assign(" AND ", "host", worker.host.as_str().into());
        text.assign(" AND ", "pid", i64::from(worker.pid).into());
        text.assign(" AND ", "connection_id", reservation.connection_id.into());
    }

    /// Runs one statement, in the transaction of this thread if there is one.
    fn execute(&self, statement: Statement) -> Result<u64> {
        let run = || self.instance().with_connection(|c| c.execute(&statement.sql, &statement.parameters));
        match self.instance().in_transaction() {
            true => self.instance().write(Vec::new(), |c| c.execute(&statement.sql, &statement.parameters)),
            false => run(),
        }
    }
}

/// Shortens a text to about `most` bytes, keeping both ends.
fn without_middle(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let is_boundary = |index: &usize| text.is_char_boundary(*index);
    let start = (0..=most / 2).rev().find(is_boundary).unwrap_or(0);
    let end = (text.len() - most / 2..text.len()).find(is_boundary).unwrap_or(text.len());
    format!("{}\n... {} bytes left out ...\n{}", &text[..start], end - start, &text[end..])
}

/// A message that fits its column.
fn shorten(message: &str) -> String {
    const END: &str = "...truncated";
    let message = message.replace('\0', "");
    match message.chars().count() > MESSAGE {
        true => message.chars().take(MESSAGE - END.len()).chain(END.chars()).collect(),
        false => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_fit_their_column() {
        assert_eq!(shorten("a\0b"), "ab");
        assert_eq!(shorten(&"ü".repeat(MESSAGE)).chars().count(), MESSAGE);
        let long = shorten(&"ü".repeat(MESSAGE + 1));
        assert!(long.chars().count() == MESSAGE && long.ends_with("...truncated"));
    }
}
