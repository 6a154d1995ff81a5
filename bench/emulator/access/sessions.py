"""Whose request it is: the session of a role whose credentials have signed it."""

from dataclasses import dataclass
from typing import Final

from bench.engine import RequestContext, extract_access_key_id_from_auth_header, iam_stores, sts_stores

#: The one region in which STS keeps sessions, and IAM everything.
_REGION: Final = "us-east-1"
_MAX_KNOWN_KEYS: Final = 10_000


@dataclass(frozen=True, slots=True)
class RoleSession:
    """A role that was assumed. name: of the session; of a function's environment it is the function's."""

    role_name: str
    role_arn: str
    session_arn: str
    name: str


class Sessions:
    """Finds the sessions of requests; each key is looked up once."""

    def __init__(self) -> None:
        # One step at a time on one dict: threads need no lock.
        self._known: dict[str, RoleSession | None] = {}

    def of(self, context: RequestContext) -> RoleSession | None:
        """Return the session that signed a request, None where no role's did."""
        key = extract_access_key_id_from_auth_header(context.request.headers)
        if not key:
            return None
        try:
            return self._known[key]
        except KeyError:
            if len(self._known) >= _MAX_KNOWN_KEYS:
                self._known.clear()
            session = self._known[key] = _assumed(key, context.account_id)
            return session


def _assumed(key: str, account: str) -> RoleSession | None:
    if iam_stores is None:
        return _assumed_of_moto(key, account)
    credentials = sts_stores[account][_REGION].credentials.get(key)
    # arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION; of a user's or a federated session another word stands there.
    kind, _, rest = (credentials.arn if credentials else "").rpartition(":")[2].partition("/")
    if credentials is None or kind != "assumed-role":
        return None
    role_name, _, name = rest.partition("/")
    role = iam_stores[account][_REGION].ROLES.get(role_name)
    # A role that is gone has no path to tell: its session may do nothing any more, whatever its ARN was.
    role_arn = role.role["Arn"] if role else f"arn:aws:iam::{account}:role/{role_name}"
    return RoleSession(role_name, role_arn, credentials.arn, name)


def _assumed_of_moto(key: str, account: str) -> RoleSession | None:
    """Return the session where IAM and STS are moto's own, as LocalEmu's are."""
    from moto.sts.models import sts_backends  # noqa: PLC0415 - by now the service is loaded

    assumed = sts_backends[account]["global"].get_assumed_role_from_access_key(key)
    if assumed is None:
        return None
    role_name = str(assumed.role_arn).rpartition("/")[2]
    return RoleSession(role_name, assumed.role_arn, assumed.arn, assumed.session_name)
