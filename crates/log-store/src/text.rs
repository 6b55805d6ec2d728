//! What a search text means: words, "quoted phrases" and -exclusions, the same in every store.

/// One word or quoted phrase of a search text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) text: String,
    pub(crate) is_excluded: bool,
}

/// Longer words are not indexed.
pub(crate) const MAX_WORD_BYTES: usize = 256;

/// Splits at white space outside double quotes; a leading `-` excludes. An open quote ends at the end.
pub(crate) fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let is_excluded = rest.starts_with('-') && rest.len() > 1;
        rest = if is_excluded { &rest[1..] } else { rest };
        let (part, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        parts.push(Part { text: part.to_owned(), is_excluded });
        rest = after.trim_start();
    }
    parts
}

/// Words of letters and digits in lower case, one blank between them: for indexes that cut at blanks.
#[cfg(feature = "elasticsearch")]
pub(crate) fn words(text: &str) -> String {
    let mut words = String::with_capacity(text.len());
    for word in text.split(|c: char| !c.is_alphanumeric()) {
        if word.is_empty() || word.len() >= MAX_WORD_BYTES {
            continue;
        }
        if !words.is_empty() {
            words.push(' ');
        }
        if word.is_ascii() {
            words.push_str(word);
            let start = words.len() - word.len();
            words[start..].make_ascii_lowercase();
        } else {
            words.extend(word.chars().flat_map(char::to_lowercase));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn splits_words_phrases_and_exclusions() {
        let part = |text: &str, is_excluded| Part { text: text.into(), is_excluded };
        assert_eq!(
            parts(r#" error "no such file" -debug -"read timeout" "#),
            [
                part("error", false),
                part("no such file", false),
                part("debug", true),
                part("read timeout", true)
            ]
        );
        assert_eq!(parts(r#""open"#), [part("open", false)]);
        assert_eq!(parts("-"), [part("-", false)]);
    }

    proptest! {
        #[test]
        fn takes_any_text(text in "\\PC{0,60}") {
            parts(&text);
        }
    }

    #[cfg(feature = "elasticsearch")]
    proptest! {
        /// One search text finds the same in every store.
        #[test]
        fn words_are_those_of_the_embedded_store(text in "(\\PC|[ \t\u{1b}\u{0}])*") {
            let mut tokenizer = crate::embedded::tokenizer();
            let mut tokens = Vec::new();
            let mut stream = tokenizer.token_stream(&text);
            tantivy::tokenizer::TokenStream::process(&mut stream, &mut |token| tokens.push(token.text.clone()));
            prop_assert_eq!(words(&text), tokens.join(" "));
        }
    }
}
