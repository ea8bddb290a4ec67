//! What computes a row: a closure, or three parts.

use lodestore_types::{Error, ErrorKind, Result};

use crate::Row;

/// What computes the rows of one key.
///
/// A closure that takes the key is one: it runs in a transaction, which locks the database from its first write on.
/// [`Parts`] is another, whose computation runs before the transaction begins.
pub trait Make {
    /// What is computed before the transaction.
    type Prepared;

    /// Computes outside of any transaction.
    ///
    /// # Errors
    /// Whatever there is to tell of this key.
    fn prepare(&mut self, key: &Row) -> Result<Self::Prepared>;

    /// Inserts, in a transaction.
    ///
    /// # Errors
    /// As [`Make::prepare`]. What was inserted is taken back then.
    fn store(&mut self, key: &Row, prepared: Self::Prepared) -> Result<()>;

    /// True if the transaction must have begun when `store` looks whether what it was prepared from still holds.
    fn verifies(&self) -> bool {
        false
    }

    /// What to note of a failed job: a message and a stack. `None` if the failure is none of the job's, which is given back
    /// then.
    fn fault(&self, error: &Error) -> Option<(String, Option<String>)> {
        (error.kind() != ErrorKind::Interrupted).then(|| (error.to_string(), Some(error.report())))
    }

    /// Told of each key that is done, one way or the other.
    ///
    /// # Errors
    /// An error stops everything.
    fn told(&mut self, _progress: &Progress) -> Result<()> {
        Ok(())
    }

    /// False if no further key is to be begun.
    fn goes_on(&mut self) -> bool {
        true
    }
}

/// How far a populate is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Keys that were made.
    pub made: u64,
    /// Keys that failed.
    pub failed: u64,
    /// Keys that others had made by then.
    pub skipped: u64,
    /// How many there were in all when it began, if that was asked for.
    pub total: Option<u64>,
}

impl<F: FnMut(&Row) -> Result<()>> Make for F {
    type Prepared = ();

    fn prepare(&mut self, _: &Row) -> Result<()> {
        Ok(())
    }

    fn store(&mut self, key: &Row, (): ()) -> Result<()> {
        self(key)
    }
}

/// A computation in three parts, for those that take long: what it needs is fetched, and what comes of it computed, without
/// a transaction; then, in one, it is fetched again and must be the same, and the result is inserted.
///
/// ```
/// use lodestore::{Instance, Parts, PopulateOptions, Row, Tier, row};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let lab = Instance::embedded(folder.path())?.schema("lab")?;
/// let session = lab.declare("Session", Tier::Manual, "session : int32\n---\nweight : float64")?;
/// let square = lab.declare("Square", Tier::Computed, "-> Session\n---\nsquare : float64")?;
/// session.insert1(row! { "session" => 1, "weight" => 3.0 })?;
///
/// let report = square.populate_with(PopulateOptions::default(), Parts {
///     fetch: |key: &Row| session.restrict(key)?.fetch1(),
///     compute: |_key: &Row, row: &Row| {
///         Ok(row.value("weight")?.as_f64().unwrap_or_default().powi(2))
///     },
///     insert: |key: &Row, squared: f64| square.insert1(key.clone().with("square", squared)),
/// })?;
/// assert_eq!(report.success_count, 1);
/// assert_eq!(square.fetch1()?.get("square"), Some(&9.0.into()));
/// # Ok::<(), lodestore::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Parts<F, C, I> {
    /// Fetches what the computation needs.
    pub fetch: F,
    /// Computes.
    pub compute: C,
    /// Inserts.
    pub insert: I,
}

impl<D, R, F, C, I> Make for Parts<F, C, I>
where
    D: PartialEq,
    F: FnMut(&Row) -> Result<D>,
    C: FnMut(&Row, &D) -> Result<R>,
    I: FnMut(&Row, R) -> Result<()>,
{
    type Prepared = (D, R);

    fn prepare(&mut self, key: &Row) -> Result<(D, R)> {
        let data = (self.fetch)(key)?;
        let result = (self.compute)(key, &data)?;
        Ok((data, result))
    }

    fn store(&mut self, key: &Row, (data, result): (D, R)) -> Result<()> {
        if (self.fetch)(key)? != data {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                "what the rows were computed from has changed meanwhile",
            )
            .with_hint("nothing was inserted: populate again"));
        }
        (self.insert)(key, result)
    }

    fn verifies(&self) -> bool {
        true
    }
}
