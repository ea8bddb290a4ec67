//! A model of how Lodestore keeps rows and objects true to each other, explored exhaustively.
//!
//! It is a model of the protocol that `lodestore::lifecycle` carries out: writers that store and reuse hash-addressed
//! objects, collectors that delete what no row names, all of them stopped or killed between any two steps. [`Protocol`]
//! has a switch for every precaution, and [`explore`] visits every state that any interleaving leads to and looks for
//! one that breaks a promise ([`Broken`]). The tests show that the protocol keeps them all, and that it keeps them no
//! longer once any precaution is left out: so none of them is there in vain, and the model can fail.
//!
//! ```
//! use lodestore_model::{Cast, Protocol, explore};
//!
//! let cast = Cast { writers: 1, collectors: 1, contents: 1 };
//! assert!(explore(&Protocol::default(), cast).broken.is_none());
//! let careless = Protocol { second_look: false, ..Protocol::default() };
//! assert!(explore(&careless, cast).broken.is_some());
//! ```
//!
//! What is one step here is one transaction of the database or one request to the store there. The request of a collector
//! that is gone may still arrive, at any time. That of a writer may not: an object that it makes would be unknown to the
//! journal, and only a full collection finds such ones.
//!
//! Smaller models are about what surrounds the protocol: [`explore_clock`] has clocks that are wrong, [`explore_fold`] a
//! store that takes two names for the same, [`explore_epochs`] two copies of a database with one store, and
//! [`explore_evidence`] references that can no longer be seen and a store that is swapped for an empty one.

mod clock;
mod copies;
mod evidence;
mod explore;
mod fold;
mod protocol;
mod state;

pub use clock::{ClockProtocol, explore_clock};
pub use copies::{EpochBroken, EpochProtocol, explore_epochs};
pub use evidence::{EvidenceBroken, EvidenceProtocol, explore_evidence};
pub use explore::{Outcome, explore, explore_for, wander};
pub use fold::{FoldProtocol, explore_fold};
pub use protocol::{Broken, Condemned, LookOrder, Protocol, Settle};
pub use state::{Cast, State};
