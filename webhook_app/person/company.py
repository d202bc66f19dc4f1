"""Who asks, as every page shows it: the company's name, logo, colour and links, and the way back to its product."""

from dataclasses import dataclass

from flask import request
from werkzeug.datastructures import LanguageAccept

from pluggy_sync import return_urls
from pluggy_sync.resources import Resources
from pluggy_sync.settings import Settings
from pluggy_sync.texts.catalogue import OURS, Language, Texts


@dataclass(frozen=True, kw_only=True)
class Company:
    """What the settings say of the company; None: they do not. `back_url` is where the way back leads."""

    name: str | None
    logo_url: str | None
    help_url: str | None
    privacy_url: str | None
    has_color: bool
    back_url: str | None


def company(settings: Settings, return_url: str | None) -> Company:
    """Return the company; *return_url* is that of the link, None if the product gave none for it."""
    listed = settings.product_return_urls
    # What the operator listed may have changed since the link was made.
    given = return_url if return_url is not None and return_urls.is_allowed(return_url, listed) else None
    return Company(
        name=settings.product_name,
        logo_url=settings.product_logo_url,
        help_url=settings.product_help_url,
        privacy_url=settings.product_privacy_url,
        has_color=settings.product_color is not None,
        back_url=given or next(iter(listed), None),
    )


def company_of_request(res: Resources) -> Company:
    """Return the company for whatever is shown at this address, whether its link opens anything or not."""
    token = token_of(request.path)
    return company(res.settings, None if token is None else res.links.read_return_url(token))


def token_of(path: str) -> str | None:
    """Return the token in the path of a person's page, or None."""
    parts = path.split("/")
    return parts[2] if len(parts) > 2 and parts[1] == "act" and parts[2] else None


def language(texts: Texts, accepted: LanguageAccept) -> Language:
    """Return the language that the browser prefers of those we have; Portuguese if it names none of them."""
    return texts.languages[accepted.best_match(list(texts.languages), default=OURS[0]) or OURS[0]]
