//! stub
use std::sync::Arc;
/// v
#[derive(Clone, Default)]
pub struct Vital;
impl Vital {
    /// .
    pub fn leads(&self) {}
    /// .
    pub fn stands_by(&self) {}
    /// .
    pub fn starts(&self) {}
    /// .
    pub fn error(&self, _: &str) {}
    /// .
    pub fn database_answered(&self) {}
    /// .
    pub fn stream_moves(&self) {}
    /// .
    pub fn stream_stopped(&self, _: &str) {}
}
/// s
pub struct State(Vital);
impl State {
    /// .
    pub fn new(_: Arc<crate::config::Config>, _: crate::store::Store, _: Arc<crate::deskie::Meter>) -> State {
        State(Vital)
    }
    /// .
    pub fn vital(&self) -> Vital {
        self.0.clone()
    }
}
/// .
pub fn router(_: State) -> axum::Router {
    axum::Router::new()
}
