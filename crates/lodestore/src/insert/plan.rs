//! What an insert fills, and how.

use std::collections::HashMap;

use lodestore_codec::Chain;
use lodestore_codec::path::Spelling;
use lodestore_sql::{Attribute, Heading};
use lodestore_types::{ErrorKind, Result};

use super::batch::Batch;
use crate::Table;
use crate::placement::Target;

/// The columns of a table that an insert fills, with codec and store of each that has them.
pub(super) struct Plan<'a> {
    pub(super) heading: &'a Heading,
    pub(super) attributes: Vec<&'a Attribute>,
    codings: Vec<Coding>,
    /// Opened when the first value comes.
    pub(super) targets: Vec<Option<Target>>,
    positions: HashMap<&'a str, usize>,
}

/// How a column is encoded.
pub(super) enum Coding {
    /// Not at all.
    Plain,
    By(Box<Chain>),
    /// By a codec that is not known: nothing but NULL goes in.
    Unknown(String),
}

impl<'a> Plan<'a> {
    pub(super) fn new(table: &Table, heading: &'a Heading) -> Result<Self> {
        let attributes: Vec<&Attribute> = heading.visible().collect();
        let coding = |attribute: &&Attribute| {
            let Some(codec) = attribute.kind.codec.as_deref() else { return Ok(Coding::Plain) };
            match table.instance().chain(codec) {
                Ok(chain) => Ok(Coding::By(Box::new(chain))),
                Err(error) if error.kind() == ErrorKind::UnknownCodec => Ok(Coding::Unknown(codec.to_owned())),
                Err(error) => Err(error.with("attribute", &attribute.name)),
            }
        };
        let codings: Vec<Coding> = attributes.iter().map(coding).collect::<Result<_>>()?;
        let targets = codings.iter().map(|_| None).collect();
        let positions =
            attributes.iter().enumerate().map(|(index, attribute)| (attribute.name.as_str(), index)).collect();
        Ok(Plan { heading, attributes, codings, targets, positions })
    }

    pub(super) fn coding(&self, column: usize) -> &Coding {
        &self.codings[column]
    }

    pub(super) fn chain(&self, column: usize) -> Option<&Chain> {
        match &self.codings[column] {
            Coding::By(chain) => Some(chain),
            _ => None,
        }
    }

    /// The columns of the primary key.
    pub(super) fn key(&self) -> Vec<usize> {
        (0..self.attributes.len()).filter(|column| self.attributes[*column].in_key).collect()
    }

    /// Opens the stores of columns that get values, unless they are open.
    pub(super) fn open_targets(&mut self, table: &Table, batch: &Batch, places: &[Option<usize>]) -> Result<()> {
        let instance = table.instance();
        for (column, place) in batch.columns.iter().zip(places) {
            let Some(index) = *place else { continue };
            let Coding::By(chain) = &self.codings[index] else { continue };
            let Some(store) = chain.store() else { continue };
            if self.targets[index].is_some() || column.null_count() == column.len() {
                continue;
            }
            let of_user = chain.codecs().last().is_some_and(|codec| codec.name() == "filepath");
            let open = || -> Result<Target> {
                let spec = instance.store_spec(Some(store), of_user)?;
                let store = instance.store(&spec.name)?;
                if of_user {
                    return Ok(Target { spec, store, spelling: Spelling::Exact });
                }
                Target::open(instance, Some(&spec.name), Some(&table.name().schema))
            };
            let opened = open().map_err(|error| error.with("attribute", &self.attributes[index].name))?;
            self.targets[index] = Some(opened);
        }
        Ok(())
    }

    /// Which column each name of a batch means; none for a name to leave out.
    pub(super) fn find(&self, batch: &Batch, ignore_extra_fields: bool) -> Vec<Result<Option<usize>>> {
        let find = |name: &String| match self.positions.get(name.as_str()) {
            Some(index) => Ok(Some(*index)),
            None if ignore_extra_fields => Ok(None),
            None => Err(self.heading.unknown(name).with("attribute", name)),
        };
        batch.names.iter().map(find).collect()
    }
}
