//! What can go wrong with the cache.

#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    #[error("the cache cannot be opened: {message}")]
    Open { message: String },
    #[error("the cache does not answer: {message}")]
    Unavailable { message: String },
    #[error("an entry of {bytes} bytes exceeds the limit of {limit}")]
    TooLarge { bytes: usize, limit: usize },
}
