//! The declaration while it grows, line by line.

use lodestore_types::{CoreType, Error, FullTableName, Result, Tier};

use super::types::{Resolved, invalid, resolve_default, resolve_type};
use super::{Declaration, DeclareOptions, ForeignKey, Index, Resolver};
use crate::definition::{AttributeLine, DefaultText, ForeignKeyLine, IndexLine, Item};
use crate::heading::{Attribute, AttributeType, DefaultValue, Heading, Lineage};

pub(super) struct Builder<'a> {
    resolver: &'a Resolver<'a>,
    declaration: Declaration,
    secondary: bool,
}

impl<'a> Builder<'a> {
    pub fn new(table: &FullTableName, comment: &str, resolver: &'a Resolver<'a>) -> Self {
        let declaration = Declaration {
            table: table.clone(),
            comment: comment.to_owned(),
            columns: Vec::new(),
            primary_key: Vec::new(),
            inherited: Vec::new(),
            foreign_keys: Vec::new(),
            indexes: Vec::new(),
            lineage: Vec::new(),
            warnings: Vec::new(),
        };
        Builder { resolver, declaration, secondary: false }
    }

    pub fn add(&mut self, item: &Item) -> Result<()> {
        match item {
            Item::Divider => {
                self.secondary = true;
                Ok(())
            }
            Item::Attribute(line) => self.attribute(line).map_err(|error| error.with("attribute", &line.name)),
            Item::ForeignKey(line) => self.foreign_key(line).map_err(|error| error.with("reference", &line.reference)),
            Item::Index(line) => {
                self.declaration.indexes.push(Index { columns: line.arguments.clone(), unique: line.unique });
                Ok(())
            }
        }
    }

    fn attribute(&mut self, line: &AttributeLine) -> Result<()> {
        let Resolved { kind, autoincrement } = resolve_type(&line.type_text, self.resolver)?;
        let default = line.default.as_ref().map(|default| resolve_default(default, &kind)).transpose()?;
        let nullable = default == Some(DefaultValue::Null);
        if !self.secondary {
            check_key_type(&kind)?;
            if nullable {
                return Err(invalid("a primary key attribute cannot be nullable")
                    .with_hint("move it below `---`, or leave `=null` away"));
            }
        }
        if self.has(&line.name) {
            let name = &line.name;
            self.warn(format!("attribute `{name}` is declared twice: the later line is ignored"));
            return Ok(());
        }
        if let Some(native) = &kind.native {
            self.warn(match kind.core {
                CoreType::Bytes => format!(
                    "native type `{native}` of attribute `{}` does not say what its bytes are; consider `<blob>` or `bytes`",
                    line.name
                ),
                _ => format!(
                    "native type `{native}` of attribute `{}` is not portable; consider `{}`",
                    line.name, kind.core
                ),
            });
        }
        let name = line.name.clone();
        self.push(Attribute {
            hidden: name.starts_with('_'),
            name,
            kind,
            in_key: !self.secondary,
            nullable,
            default,
            autoincrement,
            comment: line.comment.clone(),
            lineage: None,
            expression: None,
        })
    }

    fn foreign_key(&mut self, line: &ForeignKeyLine) -> Result<()> {
        if line.options.nullable && !self.secondary {
            return Err(invalid("a primary dependency cannot be nullable")
                .with_hint("move the foreign key below `---`, or leave `nullable` away"));
        }
        let parent = (self.resolver.parent)(&line.reference)?;
        let Some(parent_table) = parent.table.clone() else {
            return Err(invalid("a foreign key refers to a table, or to its projection"));
        };
        if parent.primary_key().next().is_none() {
            return Err(invalid(format!("`{parent_table}` has no key attribute to refer to"))
                .with_hint("its single row belongs to every row of this table already"));
        }
        let renames = self.completed(&line.reference.renames, &parent)?;
        let mut key = ForeignKey {
            columns: Vec::new(),
            parent: parent_table,
            parent_columns: Vec::new(),
            nullable: line.options.nullable,
            unique: line.options.unique,
        };
        for attribute in parent.primary_key() {
            let name = renamed(attribute, &renames);
            if key.columns.iter().any(|column| column == name) {
                return Err(invalid(format!("two key attributes of the parent would be named `{name}`")));
            }
            self.inherit(name, attribute, &key)?;
            key.columns.push(name.to_owned());
            key.parent_columns.push(attribute.name.clone());
        }
        check_renames(&renames, &parent, &key.parent)?;
        if key.unique {
            self.declaration.indexes.push(Index { columns: key.columns.clone(), unique: true });
        }
        // Columns that were there already decide whether a row may be without parent.
        key.nullable =
            self.declaration.columns.iter().any(|column| column.nullable && key.columns.contains(&column.name));
        self.declaration.foreign_keys.push(key);
        Ok(())
    }

    /// The renames of a reference; old names that are left out are those of the parent's key that the table lacks.
    fn completed(&self, renames: &[(String, String)], parent: &Heading) -> Result<Vec<(String, String)>> {
        if renames.iter().all(|(_, old)| !old.is_empty()) {
            return Ok(renames.to_vec());
        }
        let key: Vec<&Attribute> = parent.primary_key().collect();
        let lacking: Vec<&Attribute> = key.iter().filter(|attribute| !self.has(&attribute.name)).copied().collect();
        let olds = if key.len() == renames.len() { key } else { lacking };
        if olds.len() != renames.len() {
            let names = olds.iter().map(|attribute| attribute.name.as_str()).collect::<Vec<_>>().join(", ");
            return Err(invalid(format!("{} new names are given for the attributes {names}", renames.len()))
                .with_hint("write `-> Parent.proj(new='old')`"));
        }
        Ok(renames.iter().zip(olds).map(|((new, _), old)| (new.clone(), old.name.clone())).collect())
    }

    /// Adds the column of a parent's key attribute, unless it is there, and notes its origin.
    fn inherit(&mut self, name: &str, origin: &Attribute, key: &ForeignKey) -> Result<()> {
        match self.declaration.columns.iter().find(|column| column.name == name) {
            Some(column) if !comparable(&column.kind.core, &origin.kind.core) => {
                return Err(invalid(format!(
                    "attribute `{name}` holds `{}`, the key of `{}` holds `{}`",
                    column.kind.declared, key.parent, origin.kind.declared
                ))
                .with_hint(format!("rename it: `.proj(other_name='{}')`", origin.name)));
            }
            Some(_) => {}
            None => {
                self.declaration.inherited.push(name.to_owned());
                self.push(Attribute {
                    name: lodestore_types::AttributeName::new(name)?.as_str().to_owned(),
                    kind: origin.kind.clone(),
                    in_key: !self.secondary,
                    nullable: key.nullable,
                    default: key.nullable.then_some(DefaultValue::Null),
                    autoincrement: false,
                    comment: origin.comment.clone(),
                    hidden: name.starts_with('_'),
                    lineage: None,
                    expression: None,
                })?
            }
        }
        let lineage = match &origin.lineage {
            Some(lineage) => lineage.clone(),
            None => {
                self.warn(format!("`{}.{}` has no recorded origin: it counts as its own", key.parent, origin.name));
                Lineage::of(&key.parent, &origin.name)
            }
        };
        let rows = &mut self.declaration.lineage;
        match rows.iter_mut().find(|(known, _)| known == name) {
            Some(row) => row.1 = lineage,
            None => rows.push((name.to_owned(), lineage)),
        }
        Ok(())
    }

    /// Adds the attributes that the system manages, and everything that follows from the whole.
    pub fn finish(mut self, tier: Tier, options: DeclareOptions) -> Result<Declaration> {
        if self.declaration.primary_key.is_empty() {
            self.secondary = false;
            self.system("_singleton", Some(DefaultText::Literal("1".into())), "bool", "singleton primary key")?;
        }
        self.secondary = true;
        if options.job_metadata && tier.is_auto_populated() {
            let null = || Some(DefaultText::Null);
            self.system("_job_start_time", null(), "datetime(3)", "when computation began")?;
            self.system("_job_duration", null(), "float32", "computation duration in seconds")?;
            self.system("_job_version", Some(DefaultText::Literal(String::new())), "varchar(64)", "code version")?;
        }
        if options.provenance && tier == Tier::Manual {
            let comment = "extrinsic provenance for a row that entered from outside";
            self.system("_prov", Some(DefaultText::Null), "json", comment)?;
        }
        self.own_lineage();
        self.check_indexes()?;
        self.advise(tier);
        Ok(self.declaration)
    }

    fn system(&mut self, name: &str, default: Option<DefaultText>, type_text: &str, comment: &str) -> Result<()> {
        self.attribute(&AttributeLine {
            name: name.into(),
            default,
            type_text: type_text.into(),
            comment: comment.into(),
        })
    }

    /// Key attributes that come from no foreign key are their own origin.
    fn own_lineage(&mut self) {
        let Declaration { table, columns, lineage, .. } = &mut self.declaration;
        for column in columns.iter_mut() {
            match lineage.iter().find(|(name, _)| *name == column.name) {
                Some((_, origin)) => column.lineage = Some(origin.clone()),
                None if column.in_key => {
                    let origin = Lineage::of(table, &column.name);
                    column.lineage = Some(origin.clone());
                    lineage.push((column.name.clone(), origin));
                }
                None => {}
            }
        }
    }

    fn check_indexes(&self) -> Result<()> {
        let heading = Heading {
            table: Some(self.declaration.table.clone()),
            attributes: self.declaration.columns.clone(),
            ..Heading::default()
        };
        for index in &self.declaration.indexes {
            for column in index.columns.iter().filter(|column| is_word(column)) {
                heading.attribute(column).map_err(|error| {
                    let line = IndexLine { unique: index.unique, arguments: index.columns.clone() };
                    redefine(&error).with("index", line)
                })?;
            }
        }
        Ok(())
    }

    fn advise(&mut self, tier: Tier) {
        let Declaration { table, primary_key, foreign_keys, columns, .. } = &self.declaration;
        let inherited = |name: &String| foreign_keys.iter().any(|key| key.columns.contains(name));
        let own: Vec<&str> = columns
            .iter()
            .filter(|column| column.in_key && !column.hidden && !inherited(&column.name))
            .map(|column| column.name.as_str())
            .collect();
        let mut warnings = Vec::new();
        if tier.is_auto_populated() && !own.is_empty() {
            warnings.push(format!(
                "auto-populated table `{table}` has key attributes that come from no foreign key: {}",
                own.join(", ")
            ));
        }
        let to_master =
            |master| foreign_keys.iter().any(|key| key.parent.schema == table.schema && key.parent.table == master);
        if let Some(master) = table.table.master().filter(|master| !to_master(master.clone())) {
            warnings.push(format!("part `{table}` has no foreign key to its master `{}.{master}`", table.schema));
        }
        debug_assert!(!primary_key.is_empty());
        self.declaration.warnings.extend(warnings);
    }

    fn push(&mut self, attribute: Attribute) -> Result<()> {
        lodestore_types::AttributeName::new(&*attribute.name)?;
        if attribute.in_key {
            self.declaration.primary_key.push(attribute.name.clone());
        }
        self.declaration.columns.push(attribute);
        Ok(())
    }

    fn has(&self, name: &str) -> bool {
        self.declaration.columns.iter().any(|column| column.name == name)
    }

    fn warn(&mut self, text: String) {
        self.declaration.warnings.push(text);
    }
}

fn check_key_type(kind: &AttributeType) -> Result<(), Error> {
    if kind.is_blob() || kind.core == CoreType::Json {
        return Err(invalid(format!("a primary key cannot hold `{}`", kind.declared))
            .with_hint("keys are numbers, text, dates, uuids and enums; move the attribute below `---`"));
    }
    Ok(())
}

/// True if values of one type can equal values of the other.
fn comparable(left: &CoreType, right: &CoreType) -> bool {
    let text = |core: &CoreType| matches!(core, CoreType::Char(_) | CoreType::Varchar(_) | CoreType::Enum(_));
    std::mem::discriminant(left) == std::mem::discriminant(right)
        || (left.integer_range().is_some() && right.integer_range().is_some())
        || (text(left) && text(right))
}

/// The name that a key attribute of the parent gets in the child.
fn renamed<'a>(attribute: &'a Attribute, renames: &'a [(String, String)]) -> &'a str {
    renames.iter().find(|(_, old)| *old == attribute.name).map_or(&attribute.name, |(new, _)| new)
}

fn check_renames(renames: &[(String, String)], parent: &Heading, table: &FullTableName) -> Result<()> {
    for (index, (new, old)) in renames.iter().enumerate() {
        parent.attribute(old).map_err(|error| redefine(&error).with("parent", table))?;
        if renames[..index].iter().any(|(earlier, _)| earlier == new) {
            return Err(invalid(format!("`{new}` stands twice among the new names")));
        }
        if renames[..index].iter().any(|(_, earlier)| earlier == old) {
            return Err(invalid(format!("`{old}` is renamed twice")));
        }
    }
    Ok(())
}

/// The same trouble, as a fault of the definition.
fn redefine(error: &Error) -> Error {
    let bad = invalid(error.message());
    match error.hint() {
        Some(hint) => bad.with_hint(hint),
        None => bad,
    }
}

pub(crate) fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}
