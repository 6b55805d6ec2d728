//! A file that is no TOML: what it probably is, and what to write.

use std::path::Path;

use toml::Table;

/// One line to add to what the parser says.
pub(super) fn hint(path: &Path, text: &str, error: &toml::de::Error) -> Option<String> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let line = error.span().and_then(|span| line_at(text, span.start)).unwrap_or_default();
    let is_yaml = |line: &str| {
        line.split_once(':')
            .is_some_and(|(key, rest)| is_word(key) && (rest.is_empty() || rest.starts_with(' ')))
    };
    if extension == "json" || text.trim_start().starts_with('{') {
        return Some(toml_instead("JSON"));
    }
    if matches!(extension, "yaml" | "yml") || text.starts_with("---") || is_yaml(line) {
        return Some(toml_instead("YAML"));
    }
    let (key, value) = line.split_once('=')?;
    let quoted = format!("{} = {:?}", key.trim(), value.trim());
    toml::from_str::<Table>(&quoted).is_ok().then(|| format!("write: {quoted}"))
}

fn toml_instead(what: &str) -> String {
    format!(
        "this looks like {what}, and the configuration is TOML; write sections as [api] and settings as \
         listen = \"127.0.0.1:7700\" (`sentinel config print` prints all of them)"
    )
}

fn line_at(text: &str, at: usize) -> Option<&str> {
    let start = text.get(..at)?.rfind('\n').map_or(0, |end| end + 1);
    text[start..].lines().next()
}

fn is_word(key: &str) -> bool {
    let key = key.trim();
    !key.is_empty()
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'"'))
}
