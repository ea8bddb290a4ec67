//! The operators: each makes a query of queries, and sends nothing.

use lodestore_sql::{Condition, JoinKind, JoinOptions, Matching, Projection, Top, Unmatched};
use lodestore_types::{Error, ErrorKind, Result};

use crate::{Instance, IntoCondition, Query};

impl Query {
    /// The rows that satisfy a condition: SQL text, a [`Row`](crate::Row) of values to equal, another
    /// query whose rows they must match, or a [`Condition`] put together of these.
    ///
    /// # Errors
    /// `UnknownAttribute`, `InvalidCondition`, `InvalidType` for a condition that makes no sense.
    pub fn restrict(&self, condition: impl IntoCondition) -> Result<Query> {
        self.restrict_opts(condition, Matching::ByLineage)
    }

    /// Like [`Query::restrict`], with a choice of how attributes of other queries are recognised.
    ///
    /// # Errors
    /// As [`Query::restrict`].
    pub fn restrict_opts(&self, condition: impl IntoCondition, matching: Matching) -> Result<Query> {
        self.check_project(condition.instance())?;
        let condition = condition.into_condition();
        let restricted = self.derive(self.expression().restrict_opts(&condition, self.matching(matching))?)?;
        Ok(restricted.mark_vacuous(condition.is_vacuous(self.heading())))
    }

    /// The rows that do not satisfy a condition.
    ///
    /// # Errors
    /// As [`Query::restrict`].
    pub fn exclude(&self, condition: impl IntoCondition) -> Result<Query> {
        self.check_project(condition.instance())?;
        self.restrict(Condition::Not(Box::new(condition.into_condition())))
    }

    /// The named attributes beside the primary key, which stays.
    ///
    /// # Errors
    /// `UnknownAttribute`.
    pub fn project(&self, attributes: &[&str]) -> Result<Query> {
        self.project_with(&Projection::keep(attributes.iter().copied()))
    }

    /// Attributes kept, removed, renamed and computed.
    ///
    /// # Errors
    /// `UnknownAttribute`, `InvalidRequest`.
    pub fn project_with(&self, projection: &Projection) -> Result<Query> {
        self.derive(self.expression().project(projection)?)
    }

    /// The pairs of rows of both that agree in all shared attributes; all pairs if none is shared.
    ///
    /// # Errors
    /// `InvalidRequest` if a shared attribute has not the same origin on both sides, or if the
    /// queries belong to different projects.
    pub fn join(&self, other: &Query) -> Result<Query> {
        self.join_opts(other, JoinOptions::default())
    }

    /// Like [`Query::join`], with options.
    ///
    /// # Errors
    /// As [`Query::join`], and for left joins [`Query::extend`].
    pub fn join_opts(&self, other: &Query, options: JoinOptions) -> Result<Query> {
        self.check_project(Some(other.instance()))?;
        let options = JoinOptions { matching: self.matching(options.matching), ..options };
        self.derive(self.expression().join_opts(other.expression(), options)?)
    }

    /// All rows of this query, with the attributes of `other` where there are any, else NULL.
    ///
    /// # Errors
    /// As [`Query::join`]; `InvalidRequest` if `other` could add rows.
    pub fn extend(&self, other: &Query) -> Result<Query> {
        self.join_opts(other, JoinOptions { kind: JoinKind::Left, ..JoinOptions::default() })
    }

    /// For each row of this query, what `projection` computes over the matching rows of `group`.
    ///
    /// # Errors
    /// `InvalidRequest` if `group` lacks a key attribute of this query; otherwise as [`Query::join`]
    /// and [`Query::project_with`].
    pub fn aggregate(&self, group: &Query, projection: &Projection, unmatched: Unmatched) -> Result<Query> {
        self.check_project(Some(group.instance()))?;
        let matching = self.matching(Matching::ByLineage);
        self.derive(self.expression().aggregate_opts(group.expression(), projection, unmatched, matching)?)
    }

    /// The rows of both. Where a key is in both, its row has the secondary attributes of both.
    ///
    /// # Errors
    /// `InvalidRequest` if the keys differ or secondary attributes are shared.
    pub fn union(&self, other: &Query) -> Result<Query> {
        self.check_project(Some(other.instance()))?;
        self.derive(self.expression().union_opts(other.expression(), self.matching(Matching::ByLineage))?)
    }

    /// The first rows in some order.
    ///
    /// # Errors
    /// `UnknownAttribute` or `InvalidCondition` for an order that makes no sense.
    pub fn top(&self, top: &Top) -> Result<Query> {
        self.derive(self.expression().top(top)?)
    }

    /// All rows in an order of terms such as `weight desc`, `KEY` or `length(note)`.
    ///
    /// # Errors
    /// As [`Query::top`].
    pub fn order_by(&self, terms: &[&str]) -> Result<Query> {
        self.top(&Top::ordered(terms.iter().copied()))
    }

    /// At most so many rows, in the order there is, else in that of the key.
    ///
    /// # Errors
    /// As [`Query::top`].
    pub fn limit(&self, rows: u64) -> Result<Query> {
        self.top(&Top::default().with_limit(rows))
    }

    /// The last rows in the order there is, else in that of the key; the very last one comes first.
    ///
    /// # Errors
    /// None yet.
    pub fn last(&self, rows: u64) -> Result<Query> {
        self.derive(self.expression().last(rows))
    }

    /// All rows but the first ones, in the order there is, else in that of the key.
    ///
    /// # Errors
    /// As [`Query::top`].
    pub fn offset(&self, rows: u64) -> Result<Query> {
        self.top(&Top::default().with_offset(rows))
    }

    /// With the setting `legacy`, the weaker check of DataJoint before 2.0 takes the place of the one by lineage.
    fn matching(&self, asked: Matching) -> Matching {
        match asked {
            Matching::ByLineage if self.instance().is_legacy() => Matching::ByKey,
            asked => asked,
        }
    }

    /// Refuses what belongs to another project: one statement cannot reach into two databases.
    fn check_project(&self, other: Option<&Instance>) -> Result<()> {
        match other {
            Some(other) if !self.instance().is_same(other) => {
                Err(Error::new(ErrorKind::InvalidRequest, "queries of different projects cannot be combined")
                    .with_hint("fetch from one of them, and use the rows as a condition on the other"))
            }
            _ => Ok(()),
        }
    }
}

/// The set of all values that some attributes could have: it groups where there is no table to group by.
///
/// ```
/// use lodestore::{Instance, Tier, Universal, row};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let lab = Instance::embedded(folder.path())?.schema("lab")?;
/// let subject = lab.declare("Subject", Tier::Manual, "id : int32\n---\nspecies : varchar(9)\nweight : float64")?;
/// subject.insert([
///     row! { "id" => 1, "species" => "mouse", "weight" => 20.0 },
///     row! { "id" => 2, "species" => "mouse", "weight" => 22.0 },
/// ])?;
/// let mean = Universal::new(["species"]).aggregate(&subject, [("mean", "avg(weight)")])?.fetch1()?;
/// assert_eq!(mean.get("mean"), Some(&21.0.into()));
/// assert_eq!(Universal::new(["species"]).of(&subject)?.len()?, 1);
/// # Ok::<(), lodestore::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Universal(lodestore_sql::Universal);

impl Universal {
    /// The universal set over these attributes.
    pub fn new<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Universal(lodestore_sql::Universal::new(names))
    }

    /// The distinct values that the attributes have in `query`; NULL is one of them.
    ///
    /// # Errors
    /// `UnknownAttribute`; `InvalidRequest` without attributes.
    pub fn of(&self, query: &Query) -> Result<Query> {
        query.derive(self.0.of(query.expression())?)
    }

    /// One row for each combination of values (one row in all without attributes), with what is computed over it:
    /// pairs of a name and SQL.
    ///
    /// # Errors
    /// `UnknownAttribute`, and what [`Query::project_with`] refuses.
    pub fn aggregate<N: Into<String>, S: Into<String>>(
        &self,
        group: &Query,
        named: impl IntoIterator<Item = (N, S)>,
    ) -> Result<Query> {
        let named: Vec<(String, String)> = named.into_iter().map(|(name, sql)| (name.into(), sql.into())).collect();
        group.derive(self.0.aggregate(group.expression(), &named)?)
    }
}
