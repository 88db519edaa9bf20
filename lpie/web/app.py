"""The page's server: files, networks, and the measurements that come back."""

from collections.abc import Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lpie.errors import LpieError
from lpie.web import records as measurements
from lpie.web.access import COOKIE, Access
from lpie.web.networks import WebNetwork
from lpie.web.site import NETWORKS, RECORDS, RUNTIME, manifest, page_files

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".jpg": "image/jpeg",
    ".wasm": "application/wasm",
    ".tflite": "application/octet-stream",
}
# COOP and COEP lend threads to WebAssembly; the policy keeps all else out.
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; "
        "img-src 'self' blob: data:; style-src 'self' 'unsafe-inline'; object-src 'none'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cache-Control": "no-cache",
}


def web_app(
    networks: Sequence[WebNetwork], *, runtime: Path, records: Path, access: Access, hosts: set[str]
) -> Starlette:
    """The server of the page.

    runtime: the folder of LiteRT.js. records: where measurements are kept. hosts: the names by
    which the server may be called; another name would be a page that tricks the browser.
    """
    files = page_files()
    bytes_of = {network.name: network.model.to_bytes() for network in networks}
    site = measurements.to_page(manifest(networks, records=True))

    async def file(request: Request) -> Response:
        name = request.path_params.get("name") or "index.html"
        return _bytes(files.get(name), name)

    async def network(request: Request) -> Response:
        name = request.path_params["name"]
        return _bytes(bytes_of.get(name.removesuffix(".tflite")), ".tflite")

    async def part(request: Request) -> Response:
        path = (runtime / request.path_params["path"]).resolve()
        if not path.is_relative_to(runtime.resolve()) or not path.is_file():
            return _missing()
        return FileResponse(path, media_type=TYPES.get(path.suffix))

    async def listed(request: Request) -> Response:
        body = measurements.to_page({"records": measurements.kept(records)})
        return Response(body, media_type="application/json")

    async def sent(request: Request) -> Response:
        try:
            body = await _body(request)
            received = measurements.received(body)
            path = measurements.keep(received, records)
        except (LpieError, OSError) as error:
            body = measurements.to_page({"error": str(error)})
            return Response(body, 400, media_type="application/json")
        body = measurements.to_page({"file": path.name, "records": received})
        return Response(body, media_type="application/json")

    async def manifest_file(request: Request) -> Response:
        return Response(site, media_type="application/json")

    async def enter(request: Request) -> Response:
        device = access.enter(request.path_params["token"])
        if device is None:
            return PlainTextResponse("This address was used already. Take the newest one.", 403)
        answer = Response(status_code=303, headers={"Location": "/"})
        secure = request.url.scheme == "https"
        answer.set_cookie(COOKIE, device, httponly=True, samesite="strict", secure=secure)
        return answer

    routes = [
        Route("/enter/{token}", enter),
        Route("/site.json", manifest_file),
        Route(f"/{RECORDS}", listed, methods=["GET"]),
        Route(f"/{RECORDS}", sent, methods=["POST"]),
        Route(f"/{NETWORKS}/{{name}}", network),
        Route(f"/{RUNTIME}/{{path:path}}", part),
        Route("/", file),
        Route("/{name}", file),
    ]
    return Starlette(routes=routes, middleware=[Middleware(Door, access=access, hosts=hosts)])


class Door:
    """Lets in who may come, under the names that the server has, and adds the headers."""

    def __init__(self, app: ASGIApp, access: Access, hosts: set[str]) -> None:
        self.app, self.access, self.hosts = app, access, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = [(k.lower().encode(), v.encode()) for k, v in HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        refusal = self._refusal(Request(scope))
        await (refusal or self.app)(scope, receive, with_headers)

    def _refusal(self, request: Request) -> Response | None:
        host = request.headers.get("host", "")
        if host not in self.hosts:
            return PlainTextResponse("This server does not go by that name.", 421)
        origin = request.headers.get("origin")
        if request.method == "POST" and origin not in (f"https://{host}", f"http://{host}"):
            return PlainTextResponse("Only the page itself may send measurements.", 403)
        entering = request.url.path.startswith("/enter/")
        if not entering and not self.access.knows(request.headers.get("cookie", "")):
            return PlainTextResponse("Open the address that lpie serve has printed.", 403)
        return None


async def _body(request: Request) -> bytes:
    """The body of a request, as long as it is not too large."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > measurements.MOST_BYTES:
            raise LpieError(f"A measurement may have {measurements.MOST_BYTES} bytes at most.")
    return body


def _bytes(data: bytes | None, name: str) -> Response:
    kind = TYPES.get(Path(name).suffix or name)
    return _missing() if data is None or kind is None else Response(data, media_type=kind)


def _missing() -> Response:
    return PlainTextResponse("There is no such file.", 404)
