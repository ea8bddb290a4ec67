//! The dialects and the algebra, run against databases.

mod canonical;
mod database;
mod golden;
mod model;
mod property;
mod python;
mod side_by_side;
mod world;
