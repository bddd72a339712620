"""The application of a studio without a server, for tests of routes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx

from sparring.studio.app import application
from sparring.studio.server.guard import Keys
from sparring.studio.server.state import Studio

HOST = "localhost:1"


class Client:
    """Sends requests with the token to the studio of a folder of runs."""

    def __init__(self, folder: Path) -> None:
        self.studio = Studio.of(folder)
        self._app = application(self.studio, [HOST], Keys("token", "cookie", "name"))

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def request() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)  # type: ignore[arg-type]
            headers = {"x-sparring-token": "token"}
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}", headers=headers) as client:
                return await client.request(method, f"/api/{path}", **options)

        return asyncio.run(request())

    def get(self, path: str, **query: str) -> Any:
        """Return the JSON of a GET."""
        answer = self.send("GET", path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, **body: Any) -> Any:
        """Return the JSON of a POST, or the response where it is none."""
        answer = self.send("POST", path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json() if "json" in answer.headers["content-type"] else answer

    def refused(self, method: str, path: str, **options: Any) -> str:
        """Return the message of a refusal."""
        answer = self.send(method, path, **options)
        assert answer.status_code == 400, answer.text
        return str(answer.json()["error"])


def refused(client: Client, path: str, body: object) -> str:
    """Return the message of a refusal, which is a wrong request and no failure of the server."""
    return client.refused("POST", path, content=json.dumps(body), headers={"content-type": "application/json"})
