//! Skips a step while its inputs are the same, told by a hash, and copies files.

use crate::paths;
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// Runs the step unless the inputs (files, or folders with all below) and the words that steer
/// it hash as they did when it last succeeded, and its output is still there.
pub fn if_changed(
    name: &str,
    inputs: &[PathBuf],
    words: &[String],
    output: &Path,
    step: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let stamp = paths::at("target/stamps").join(name);
    let now = hash(inputs, words)?;
    if output.exists() && fs::read_to_string(&stamp).is_ok_and(|before| before == now) {
        return Ok(());
    }
    step()?;
    fs::create_dir_all(paths::at("target/stamps")).context("cannot make target/stamps")?;
    fs::write(&stamp, now).with_context(|| format!("cannot write {}", stamp.display()))
}

fn hash(inputs: &[PathBuf], words: &[String]) -> Result<String> {
    let mut hasher = Sha256::new();
    for word in words {
        hasher.update(word);
        hasher.update([0]);
    }
    for input in inputs {
        for file in files_below(input)? {
            let bytes =
                fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
            hasher.update(file.to_string_lossy().as_bytes());
            hasher.update(bytes.len().to_le_bytes());
            hasher.update(bytes);
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A file itself, or every file below a folder, in order; nothing if it does not exist.
pub fn files_below(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut found = Vec::new();
    if path.is_dir() {
        for entry in
            fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?
        {
            found.extend(files_below(&entry?.path())?);
        }
    }
    found.sort();
    Ok(found)
}

/// Copies a folder's files that the filter takes (by their path within it), keeping the folders.
pub fn copy_files(from: &Path, to: &Path, wanted: impl Fn(&Path) -> bool) -> Result<()> {
    for file in files_below(from)? {
        let inner = file.strip_prefix(from).unwrap_or(&file);
        if wanted(inner) {
            copy(&file, &to.join(inner))?;
        }
    }
    Ok(())
}

/// Copies one file, making the folders above it.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    fs::copy(from, to)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

/// An empty folder in place of whatever was there.
pub fn fresh(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot clear {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::hash;

    #[test]
    fn words_are_told_apart() {
        let joined = hash(&[], &["ab".into(), "c".into()]).unwrap();
        let split = hash(&[], &["a".into(), "bc".into()]).unwrap();
        assert_ne!(joined, split);
    }
}
