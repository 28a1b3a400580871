//! Parameters in text format (rule 16): the server infers the type, and reads the text as it would a quoted literal.

use bytes::BytesMut;
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};

/// A parameter of any type, sent as text; `None` is NULL. Its `Debug` tells its length: the driver logs it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct TextParam(pub Option<String>);

impl std::fmt::Debug for TextParam {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some(text) => write!(f, "TextParam({} bytes)", text.len()),
            None => f.write_str("TextParam(NULL)"),
        }
    }
}

impl TextParam {
    /// A value that is not NULL.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Some(text.into()))
    }
}

impl From<Option<String>> for TextParam {
    fn from(text: Option<String>) -> Self {
        Self(text)
    }
}

impl From<&str> for TextParam {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl ToSql for TextParam {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match &self.0 {
            Some(text) => {
                out.extend_from_slice(text.as_bytes());
                Ok(IsNull::No)
            }
            None => Ok(IsNull::Yes),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}
