"""
Scenarios: short readable files that tell a story, line by line, to a running sandbox.

    # A purchase posts under a new id.
    connect user-ok to 2
    expect UPDATED SUCCESS
    day
    change pending, post_new_id
    run
    show

`connect USER to CONNECTOR`, `answer VALUE`, `approve`, `reject`, `revoke`, `update`, `run`, `delete`, `day [N]`,
`hour [N]`, `change KIND [COUNT], ...`, `break CODE`, `connector ID STATUS`, `fault ENDPOINT KIND [NAME=VALUE ...]`,
`well`, `setting NAME VALUE`, `hooks URL [NAME=VALUE ...]`, `expect STATUS [EXECUTION_STATUS]`, `show`.
"""
