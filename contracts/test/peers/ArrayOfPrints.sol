// SPDX-License-Identifier: UNLICENSED
pragma solidity ^0.8.28;

/// @dev The plainest ledger of prints: a record for each in an array of its licence. It checks a count and nothing
/// else. Only for comparing gas.
contract ArrayOfPrints {
    struct Print {
        bytes32 printer;
        bytes32 token;
        uint256 time;
    }

    error Exhausted();

    mapping(bytes32 licence => uint256 count) public permitted;
    mapping(bytes32 licence => Print[] all) public prints;

    function grant(bytes32 licence, uint256 count) external {
        permitted[licence] = count;
    }

    function recordPrint(bytes32 licence, bytes32 printer, bytes32 token) external {
        if (prints[licence].length == permitted[licence]) revert Exhausted();
        prints[licence].push(Print({printer: printer, token: token, time: block.timestamp}));
    }
}
