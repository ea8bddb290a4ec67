//! Semantic matching: attributes of one name are the same only if they have one origin.

use lodestore_types::{Error, ErrorKind, Result};

use crate::Heading;

/// How operands recognise the attributes they share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Matching {
    /// By name, and each must have one known origin on both sides.
    #[default]
    ByLineage,
    /// By name; an attribute that is secondary on both sides must have one known origin. The rule of DataJoint before
    /// 2.0.
    ByKey,
    /// By name alone.
    ByName,
}

/// Refuses operands that share a name without a common origin.
pub(super) fn check_matching(left: &Heading, right: &Heading, matching: Matching) -> Result<()> {
    if matching == Matching::ByName {
        return Ok(());
    }
    for attribute in right.visible() {
        let Some(other) = left.get(&attribute.name) else { continue };
        if other.lineage.is_some() && other.lineage == attribute.lineage {
            continue;
        }
        if matching == Matching::ByKey && (attribute.in_key || other.in_key) {
            continue;
        }
        let origin = |heading: &Heading| match heading.get(&attribute.name).and_then(|found| found.lineage.as_ref()) {
            Some(lineage) => format!("`{lineage}`"),
            None => "none".to_owned(),
        };
        return Err(Error::new(
            ErrorKind::InvalidRequest,
            format!(
                "Cannot join on attribute `{}`: different lineages on the two sides, {} and {}",
                attribute.name,
                origin(left),
                origin(right)
            ),
        )
        .with_hint("rename it or drop it on one side with `.proj()`, or set `semantic_check=False` to match by name"));
    }
    Ok(())
}
