//! Our numbers as parameters and as columns: a newtype goes to the server and comes from it as it is.

use bytes::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::model::{CaseId, DeliveryId, EventId, InboxId, LaneId, LinkId, MessageId, UserId};

type Refusal = Box<dyn std::error::Error + Sync + Send>;

macro_rules! number {
    ($($name:ident)+) => {$(
        impl ToSql for $name {
            fn to_sql(&self, of: &Type, out: &mut BytesMut) -> Result<IsNull, Refusal> {
                self.0.to_sql(of, out)
            }

            fn accepts(of: &Type) -> bool {
                <i64 as ToSql>::accepts(of)
            }

            to_sql_checked!();
        }

        impl<'a> FromSql<'a> for $name {
            fn from_sql(of: &Type, raw: &'a [u8]) -> Result<$name, Refusal> {
                i64::from_sql(of, raw).map($name)
            }

            fn accepts(of: &Type) -> bool {
                <i64 as FromSql>::accepts(of)
            }
        }
    )+};
}

number!(CaseId DeliveryId EventId InboxId LaneId LinkId MessageId UserId);
