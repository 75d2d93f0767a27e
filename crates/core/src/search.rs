//! Finding something by a few words of its names.

/// Whether every word of a query stands in one of the names; case, spaces, hyphens, underscores and dots don't matter.
///
/// ```
/// use vram_core::search::matches;
/// assert!(matches("llama3 8b", &["Llama-3.1-8B"]));
/// assert!(!matches("llama 70b", &["Llama-3.1-8B"]));
/// ```
pub fn matches(query: &str, names: &[&str]) -> bool {
    let names: Vec<String> = names.iter().map(|name| plain(name)).collect();
    query.split_whitespace().map(plain).all(|word| names.iter().any(|name| name.contains(&word)))
}

fn plain(text: &str) -> String {
    text.chars().filter(|c| !" -_.".contains(*c)).flat_map(char::to_lowercase).collect()
}
