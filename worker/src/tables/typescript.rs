//! Declared tables as TypeScript: the row that `tally.table(name).track(row)` takes.

use super::{Default, Tables};
use std::fmt::Write;
use tallymark::column::{Scalar, Type};
use tallymark::schema::By;

/// `interface Tables`, a member for each.
#[must_use]
pub fn declarations(tables: &Tables) -> String {
    let mut out = String::from(
        "// Made from the worker's variable TABLES by `cargo xtask tables`.\n\n\
         /** Each declared table: what a row of it takes. */\nexport interface Tables {\n",
    );
    for declared in tables.iter() {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "  {}: {{", declared.table.name);
        for (column, default) in declared.table.columns.iter().zip(&declared.defaults) {
            if column.by == By::Edge {
                continue;
            }
            let optional = if *default == Default::Required { "" } else { "?" };
            let _ = writeln!(out, "    /** `{}` */", column.ty);
            let _ = writeln!(out, "    {}{optional}: {};", column.name, value_type(column.ty));
        }
        out.push_str("  };\n");
    }
    out.push_str("}\n");
    out
}

fn value_type(ty: Type) -> String {
    let scalar = match ty.scalar {
        Scalar::UInt8 | Scalar::UInt16 | Scalar::UInt32 => "number",
        Scalar::Int8 | Scalar::Int16 | Scalar::Int32 | Scalar::Float64 => "number",
        // Beyond 2^53 as text.
        Scalar::UInt64 | Scalar::Int64 => "number | string",
        Scalar::Bool => "boolean",
        Scalar::DateTime | Scalar::DateTime64 => "number | string",
        Scalar::Json => "Record<string, unknown>",
        Scalar::String | Scalar::LowCardinality => "string",
        Scalar::Uuid | Scalar::Date | Scalar::IPv6 => "string",
    };
    let scalar = if ty.nullable { format!("{scalar} | null") } else { scalar.into() };
    (0..ty.arrays).fold(scalar, |inner, _| format!("readonly ({inner})[]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s2_6_a_declared_table_becomes_the_type_of_its_rows() {
        let tables = Tables::parse(include_str!("../../tables.example.json")).unwrap();
        let expected = "// Made from the worker's variable TABLES by `cargo xtask tables`.

/** Each declared table: what a row of it takes. */
export interface Tables {
  my_feature_events: {
    /** `UInt32` */
    feature_id: number;
    /** `UInt32` */
    user_id: number;
    /** `LowCardinality(String)` */
    action: string;
    /** `String` */
    metadata?: string;
    /** `DateTime` */
    created_at?: number | string;
  };
}
";
        assert_eq!(declarations(&tables), expected);
    }

    #[test]
    fn arrays_nulls_and_wide_numbers_are_told() {
        let of = |name: &str| value_type(Type::parse(name.as_bytes()).unwrap());
        assert_eq!(of("Array(Nullable(String))"), "readonly (string | null)[]");
        assert_eq!(of("UInt64"), "number | string");
        assert_eq!(of("JSON"), "Record<string, unknown>");
    }
}
