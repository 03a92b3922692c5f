//! The heads as TypeScript: what each query takes and what its rows are.

use super::head::{Access, Column, Head, Kind, Param};
use super::{Catalogue, FILES, HeadError};
use std::fmt::Write;

const FIRST: &str = "// Made from the heads of the worker's queries by `cargo xtask build`.

/** Each named query: what it takes, and the rows of its answer. */
export interface Queries {
";

/// The file `queries.d.ts` of the npm package.
///
/// # Errors
/// A head that is wrong.
pub fn declarations() -> Result<String, HeadError> {
    let mut out = String::from(FIRST);
    for query in Catalogue::parse(&FILES)?.0 {
        push(&mut out, &query.head);
    }
    out.push_str("}\n");
    Ok(out)
}

fn push(out: &mut String, head: &Head) {
    let access = match head.access {
        Access::Public => "any key of the site",
        Access::Reader => "a reader key, or a token that names it",
        Access::Admin => "the admin key",
    };
    // Writing to a String cannot fail.
    let _ = match head.cache_seconds {
        0 => writeln!(out, "  /** For {access}. */"),
        seconds => writeln!(out, "  /** For {access}; an answer may be {seconds} s old. */"),
    };
    let _ = writeln!(out, "  {}: {{\n    params: {{", head.name);
    for param in &head.params {
        let optional = if param.default.is_some() { "?" } else { "" };
        let _ = writeln!(out, "      /** {} */", sentence(&param.what, param.default.as_deref()));
        let _ = writeln!(out, "      {}{optional}: {};", param.name, param_type(param));
    }
    out.push_str("    };\n    row: {\n");
    for Column { name, type_name, unit } in &head.columns {
        let _ = writeln!(out, "      /** {} */", sentence(unit, None));
        let _ = writeln!(out, "      {name}: {};", column_type(type_name));
    }
    out.push_str("    };\n  };\n");
}

fn sentence(text: &str, default: Option<&str>) -> String {
    // What would end the comment cannot.
    let text = text.replace("*/", "* /");
    match default {
        Some(default) => format!("{text}. Default `{default}`."),
        None => format!("{text}."),
    }
}

fn param_type(param: &Param) -> String {
    match param.kind {
        Kind::String if !param.choices.is_empty() => {
            let choices: Vec<_> = param.choices.iter().map(|text| format!("\"{text}\"")).collect();
            choices.join(" | ")
        }
        Kind::String | Kind::Date => "string".into(),
        Kind::ArrayString => "readonly string[]".into(),
        Kind::MapFloat64 => "Readonly<Record<string, number>>".into(),
        Kind::Bool => "boolean".into(),
        Kind::UInt32 | Kind::UInt64 => "number".into(),
    }
}

/// As the JSON of an answer has it.
fn column_type(name: &str) -> String {
    let inner = |outer: &str| name.strip_prefix(outer).and_then(|rest| rest.strip_suffix(')'));
    if let Some(inner) = inner("Nullable(") {
        return format!("{} | null", column_type(inner));
    }
    if let Some((_, value)) = inner("Map(").and_then(|inner| inner.split_once(',')) {
        return format!("Record<string, {}>", column_type(value.trim()));
    }
    let is_number = ["UInt", "Int", "Float"].iter().any(|number| name.starts_with(number));
    if is_number { "number" } else { "string" }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_becomes_its_parameters_and_rows() {
        let head = Head::parse(
            "-- query: top\n-- key: public\n-- cache: 60\n-- param: ids Array(String) -- the posts\n\
             -- param: mode String rows -- how\n-- choice: mode rows last\n\
             -- column: day Date -- of UTC\n-- column: n Nullable(Int64) -- rows\n\
             -- column: dropped Map(String,UInt64) -- by reason\nSELECT 1",
        )
        .unwrap();
        let mut out = String::new();
        push(&mut out, &head);
        let expected = r#"  /** For any key of the site; an answer may be 60 s old. */
  top: {
    params: {
      /** the posts. */
      ids: readonly string[];
      /** how. Default `rows`. */
      mode?: "rows" | "last";
    };
    row: {
      /** of UTC. */
      day: string;
      /** rows. */
      n: number | null;
      /** by reason. */
      dropped: Record<string, number>;
    };
  };
"#;
        assert_eq!(out, expected);
    }

    #[test]
    fn every_query_is_declared() {
        let declared = declarations().unwrap();
        for query in Catalogue::parse(&FILES).unwrap().0 {
            assert!(declared.contains(&format!("\n  {}: {{\n", query.head.name)));
        }
    }
}
