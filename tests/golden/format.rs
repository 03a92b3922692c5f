//! The files of this folder: a query, and the bytes that ClickHouse answered.

use std::fs;
use std::path::{Path, PathBuf};

/// Bytes of one line of a golden.
const LINE_BYTES: usize = 16;

/// One golden.
pub struct Golden {
    /// The file's name without its ending.
    pub name: String,
    /// Without a `FORMAT`.
    #[allow(dead_code, reason = "the fuzzer needs the bytes alone")]
    pub query: String,
    /// What the server answered under `FORMAT Native`; empty until it was asked.
    pub bytes: Vec<u8>,
}

impl Golden {
    /// The package that reads is the root one or the fuzzer's.
    fn path(name: &str) -> PathBuf {
        let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
        let mut folders = above.map(|folder| folder.join("tests/golden"));
        folders.find(|folder| folder.is_dir()).unwrap().join(format!("{name}.txt"))
    }

    /// Every golden there is, by name.
    pub fn all() -> Vec<Self> {
        let folder = Self::path("any");
        let mut names: Vec<_> = fs::read_dir(folder.parent().unwrap())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "txt"))
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort();
        names.iter().map(|name| Self::read(name)).collect()
    }

    fn read(name: &str) -> Self {
        let text = fs::read_to_string(Self::path(name)).unwrap();
        let mut query = Vec::new();
        let mut bytes = Vec::new();
        for line in text.lines() {
            if line.starts_with("-- ") || line.is_empty() {
                continue;
            }
            match line.split_once(" |") {
                Some((hex, _)) => bytes.extend(hex.split_whitespace().map(byte)),
                None => query.push(line),
            }
        }
        Self { name: name.to_owned(), query: query.join("\n"), bytes }
    }

    /// Writes the file anew.
    #[allow(dead_code, reason = "the tests only read")]
    pub fn write(&self, version: &str) {
        let mut text = format!("-- ClickHouse {version}\n{}\n\n", self.query);
        for line in self.bytes.chunks(LINE_BYTES) {
            let hex: Vec<_> = line.iter().map(|byte| format!("{byte:02x}")).collect();
            let shown = |byte: &u8| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' };
            let ascii: String = line.iter().map(shown).collect();
            text += &format!("{:<width$} |{ascii}|\n", hex.join(" "), width = LINE_BYTES * 3 - 1);
        }
        fs::write(Self::path(&self.name), text).unwrap();
    }
}

fn byte(hex: &str) -> u8 {
    u8::from_str_radix(hex, 16).unwrap()
}
