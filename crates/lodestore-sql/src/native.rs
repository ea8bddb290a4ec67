//! Native SQL types: which texts are one, and which core type holds what they hold.

use lodestore_types::CoreType;

/// A native type, recognised.
pub(crate) struct NativeType {
    /// The core type that holds its values on a database without it.
    pub core: CoreType,
    /// True with `auto_increment`, and for `serial`.
    pub autoincrement: bool,
}

/// Recognises a native type, in any letter case. `None` if it is none.
pub(crate) fn parse(text: &str) -> Option<NativeType> {
    let lower = text.trim().to_ascii_lowercase();
    let (word, arguments, modifiers) = split(&lower)?;
    let unsigned = modifiers.first() == Some(&"unsigned");
    let rest = &modifiers[usize::from(unsigned)..];
    let plain = |core: CoreType| modifiers.is_empty().then_some(core);
    let integer = |signed: CoreType, wider: CoreType| match rest {
        [] | ["auto_increment"] => Some(if unsigned { wider } else { signed }),
        _ => None,
    };
    let no_arguments = arguments.is_none();
    let core = match word {
        "tinyint" => integer(CoreType::Int8, CoreType::Int16),
        "smallint" => integer(CoreType::Int16, CoreType::Int32),
        "mediumint" => integer(CoreType::Int32, CoreType::Int32),
        "int" | "integer" => integer(CoreType::Int32, CoreType::Int64),
        // Beyond 2^63 an unsigned bigint has values that no 64-bit signed integer holds; nobody counts so far.
        "bigint" => integer(CoreType::Int64, CoreType::Int64),
        "serial" if no_arguments => plain(CoreType::Int64),
        "decimal" | "numeric" | "dec" | "fixed" if matches!(rest, [] | ["zerofill"]) => fixed_point(arguments),
        "double" if rest.is_empty() => Some(CoreType::Float64),
        "float" | "real" if rest.is_empty() => Some(CoreType::Float32),
        "char" | "varchar" if arguments.is_some() => plain(CoreType::Varchar(65535)),
        "timestamp" => plain(CoreType::DateTime(arguments.and_then(|digits| digits.trim().parse().ok()))),
        // Longer than a day, or negative: MySQL's time is a span, so no core type but text holds it.
        "time" => plain(CoreType::Varchar(17)),
        "year" => plain(CoreType::Int16),
        "tinyblob" | "smallblob" | "mediumblob" | "longblob" | "blob" if no_arguments => plain(CoreType::Bytes),
        "tinytext" | "smalltext" if no_arguments => plain(CoreType::Varchar(255)),
        "text" if no_arguments => plain(CoreType::Varchar(65535)),
        "mediumtext" if no_arguments => plain(CoreType::Varchar(16_777_215)),
        "longtext" if no_arguments => plain(CoreType::Varchar(u32::MAX)),
        _ => None,
    }?;
    Some(NativeType { core, autoincrement: word == "serial" || rest == ["auto_increment"] })
}

/// The first word, what stands in parentheses behind it, and the words behind that.
fn split(text: &str) -> Option<(&str, Option<&str>, Vec<&str>)> {
    let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let rest = rest.trim_start();
    let (arguments, rest) = match rest.strip_prefix('(') {
        Some(inside) => {
            let close = inside.rfind(')').filter(|close| *close > 0)?;
            (Some(&inside[..close]), &inside[close + 1..])
        }
        None => (None, rest),
    };
    Some((word, arguments, rest.split_whitespace().collect()))
}

/// A decimal type as the servers read it: 10 digits and none behind the point, if unsaid.
fn fixed_point(arguments: Option<&str>) -> Option<CoreType> {
    let (precision, scale) = match arguments {
        None => ("10", "0"),
        Some(arguments) => arguments.split_once(',').unwrap_or((arguments, "0")),
    };
    CoreType::parse(&format!("decimal({precision},{scale})")).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn native_types_find_their_core_type() {
        let cases = [
            ("int", "int32"),
            ("INT(11) unsigned", "int64"),
            ("tinyint unsigned", "int16"),
            ("bigint auto_increment", "int64"),
            ("serial", "int64"),
            ("decimal", "decimal(10,0)"),
            ("numeric(8, 2) unsigned zerofill", "decimal(8,2)"),
            ("double", "float64"),
            ("real", "float32"),
            ("timestamp(3)", "datetime(3)"),
            ("timestamp", "datetime"),
            ("longblob", "bytes"),
            ("text", "varchar(65535)"),
            ("year", "int16"),
        ];
        for (text, core) in cases {
            assert_eq!(parse(text).unwrap_or_else(|| panic!("{text}")).core.to_string(), core, "{text}");
        }
        assert!(parse("int auto_increment").unwrap().autoincrement);
        for text in
            ["", "uint8", "int not null", "boolean", "varchar", "binary(3)", "text(3)", "double precision", "int()"]
        {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
