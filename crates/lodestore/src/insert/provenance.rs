//! Where rows came from: the hidden attribute `_prov` of tables that were declared with the setting `provenance.capture`.

use std::cell::RefCell;

use lodestore_codec::object::timestamp;
use lodestore_types::{Timestamp, Value};
use serde_json::{Map, Value as Json, json};

use crate::jobs::{host_and_user, worker_version};
use crate::{Row, Table};

/// The hidden attribute.
pub(super) const ATTRIBUTE: &str = "_prov";

thread_local! {
    /// The tables and keys for which `make` is at work on this thread.
    static MAKING: RefCell<Vec<Json>> = const { RefCell::new(Vec::new()) };
}

/// Runs `make` for a key: rows that it inserts elsewhere tell so.
pub(crate) fn making<T>(table: &Table, key: &Row, make: impl FnOnce() -> T) -> T {
    // Nobody would look at it.
    if !table.instance().config().get_bool("provenance.capture") {
        return make();
    }
    struct Guard;
    impl Drop for Guard {
        fn drop(&mut self) {
            MAKING.with_borrow_mut(Vec::pop);
        }
    }
    let key: Map<String, Json> = key.iter().map(|(name, value)| (name.to_owned(), told(value))).collect();
    let mut context = json!({"table": table.name().to_string(), "key": key});
    let version = worker_version(table.instance());
    if !version.is_empty() {
        context["version"] = version.into();
    }
    MAKING.with_borrow_mut(|all| all.push(context));
    let _guard = Guard;
    make()
}

/// What is known of rows that go into a table now; nothing unless the table keeps it and the settings want it.
pub(super) fn provenance(table: &Table) -> Option<Json> {
    let instance = table.instance();
    let config = instance.config();
    let keeps = table.heading().get_any(ATTRIBUTE).is_some_and(|attribute| attribute.hidden);
    if !keeps || !config.get_bool("provenance.capture") {
        return None;
    }
    let (host, user) = host_and_user();
    let mut agent = json!({"user": user, "host": host});
    if let Some(name) = config.get_text("database.user") {
        agent["database_name"] = name.into();
    }
    let mut told = json!({"time": timestamp(Timestamp::now()), "agent": agent});
    let version = worker_version(instance);
    if !version.is_empty() {
        told["version"] = version.into();
    }
    if let Ok(Json::Object(source)) = config.get("provenance.source")
        && !source.is_empty()
    {
        told["source"] = Json::Object(source);
    }
    if let Some(context) = MAKING.with_borrow(|all| all.last().cloned()) {
        told["context"] = context;
    }
    Some(told)
}

/// A value of a key as JSON.
fn told(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => (*flag).into(),
        Value::Int(number) => (*number).into(),
        Value::Text(text) => text.as_str().into(),
        other => other.to_string().into(),
    }
}
