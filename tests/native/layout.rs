//! Where things are: the folders that README.md and ARCHITECTURE.md speak of.

use std::fs;
use std::path::Path;

#[test]
fn u13_the_top_level_is_what_the_readme_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let is_ignored = |name: &str| {
        // What Git keeps of itself and what .gitignore names.
        let ignored = fs::read_to_string(root.join(".gitignore")).unwrap();
        name == ".git" || ignored.lines().any(|line| line.trim_matches('/') == name)
    };
    let mut folders: Vec<String> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| !is_ignored(name))
        .collect();
    folders.sort();
    assert_eq!(
        folders,
        [".cargo", ".ci", "pkg-template", "src", "tests", "worker", "www", "xtask"]
    );
    for file in ["Cargo.toml", "README.md", "LICENSE", "CHANGELOG.md", "ARCHITECTURE.md"] {
        assert!(root.join(file).is_file(), "{file}");
    }
}
